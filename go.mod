module github.com/unboot/unboot

go 1.26.0

require golang.org/x/sys v0.49.0

require github.com/klauspost/compress v1.20.3

require (
	github.com/rogpeppe/go-internal v1.16.0 // indirect
	github.com/therootcompany/xz v1.0.1 // indirect
	github.com/ulikunitz/xz v0.5.15 // indirect
	golang.org/x/tools v0.26.0 // indirect
)

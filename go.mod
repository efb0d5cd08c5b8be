module github.com/unboot/unboot

go 1.26

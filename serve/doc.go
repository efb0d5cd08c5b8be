// Package serve shows the files of an image by HTTP: pages of directories, files with ranges,
// and directories as archives. Nothing can be changed by it.
//
//	h := serve.New(fsys, serve.Options{Token: token})
//	err := http.ListenAndServe("localhost:8080", h)
//
// # Who may look
//
// All requests need the token: as "Authorization: Bearer TOKEN", or once as ?token=TOKEN in an
// address, for which a browser gets a cookie. TLS is the business of who listens.
//
// # Security
//
// The files of an image are anybody's. Nothing of them runs in the browser with the rights of
// the pages: they are shown as plain text or as pictures, everything else is downloaded, and all
// are in a sandbox of their own (Content-Security-Policy, nosniff). The pages have no scripts.
// Symbolic links stay in the tree; what is neither a file nor a directory is not opened.
package serve

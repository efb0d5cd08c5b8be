// Package ftpdisk reads images that an FTP server has, as a [disk.Device] that cannot be written
// to: ftp:// (RFC 959, with the REST of RFC 3659), ftps:// with TLS from the start, and ftpes://
// with TLS by AUTH (RFC 4217).
//
// A name and password are those of the URL, or those of ~/.netrc (or $NETRC) for its host, or
// those of anonymous users. They are in no error; by ftp://, everybody on the way can read them.
//
// Data connections go to the host of the control connection, whatever address the server names.
// A read at another place takes some round trips, as the protocol has no ranges: what is read on
// from where the last read has ended is one transfer. What fails is tried again on another
// connection; a file whose size or time is another one then is an [ErrChanged].
package ftpdisk

// Package httpdisk reads images that a web server has, as a [disk.Device] that cannot be
// written to: http:// and https://, by requests for ranges (RFC 9110, section 14).
//
// The first request says how large the file is and which version of it the server has, by
// its ETag or else the time of its last change. A later answer about another version is an
// [ErrChanged]: what is read is never put together of two files. Answers that are encoded,
// such as compressed ones, or that have another range than was asked for are refused.
//
// # Failures
//
// Requests that fail in a way that may pass are repeated, from where the answer broke off,
// with pauses that get longer: connections that are cut or say nothing, answers that are too
// short, and the states 408, 429 and 5xx, with the Retry-After of the server. That ends after
// [Options.Patience] without a byte.
//
// # Who one is
//
// A name and password are those of the URL, or those of ~/.netrc (or $NETRC) for its host.
// A bearer token is that of $UNBOOT_HTTP_TOKEN. They are sent to that host alone, and are in
// no error. Proxies are those of the environment, as in package net/http.
package httpdisk

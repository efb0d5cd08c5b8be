// Package rpc has the messages of the libguestfs API as Go types: a structure for the
// arguments of each procedure, one for each structure that procedures return, and what
// is known of each procedure. All but a few lines of it are generated from the
// description in package api, for the server as for the client.
//
// A structure of arguments has a field a parameter, in order, and then one an optional
// argument, of type [Opt]. Files that a call transfers are not among them. What a message
// is made of, which arguments are given and which of them name something in the guest is
// all taken from one list of pointers to the fields, so that these cannot disagree.
package rpc

//go:generate go run ../gen -rpc .

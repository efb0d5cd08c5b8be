// Package tables keeps parts of the tables by which image formats say where data is, in
// bounded memory, with changes to them that have not been written yet.
//
// A [Cache] is shared by all files of an image, and of the images below it. What is read
// is kept until something else needs the room. What is changed is kept until
// [File.WriteBack], which is when the format has made stable what the entries refer to.
// It writes the sectors of 512 bytes that were changed: tables begin and end with one.
package tables

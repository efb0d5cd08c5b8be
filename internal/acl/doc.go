// Package acl converts POSIX access control lists between the forms that they have: the
// extended attribute of a file, as in linux/posix_acl_xattr.h, and the text forms of acl(5).
//
// Users and groups are numbers, since the names of an image's users are not those of the
// host; only "root" is known. Lists come from hostile files: what [Decode] and [Parse]
// return has known tags and permissions, and no more entries than an attribute holds.
package acl

// The extended attributes that hold the list of a file, and the one that files in a
// directory inherit.
const (
	Access  = "system.posix_acl_access"
	Default = "system.posix_acl_default"
)

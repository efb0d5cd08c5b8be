// Package capability converts the capabilities of a file between the forms that they have:
// the extended attribute, struct vfs_cap_data of linux/capability.h, and the text of
// cap_to_text(3). It knows the capabilities of capabilities(7) by name.
package capability

// Xattr is the extended attribute that holds the capabilities of a file.
const Xattr = "security.capability"

// Package corpus opens the images that the field's own tools are tested with, and those that
// other projects have of volumes, by nothing but package unboot's front, and holds what
// became of each in docs/volumes.md. Sources are downloaded from Debian; where that does
// not work, or a tool is missing, tests are skipped. With UNBOOT_UPDATE_VOLUMES=1 the page is
// written.
package corpus

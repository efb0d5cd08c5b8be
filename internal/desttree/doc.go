// Package desttree is about the directory of an image into which a tree of files is
// written, from an archive or another tree: where its directories are in truth, where
// nothing that is written may lead out of it, and which names its file systems take for
// one.
package desttree

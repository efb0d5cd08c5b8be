// Package treecopy moves trees of files between images, the host and tar archives. It is
// the only mover: the command line's cp and tar, the daemon's procedures and the Go client
// differ in the options that they give to it.
//
// # How it works
//
// A [Source] is walked, a [Sink] is written, and [Transfer] joins the two. Small files are
// loaded ahead of the sink by several goroutines; an [ImageSink] also writes them by
// several. Large files stream through, with their holes. Errors about single files go to
// the sink's [Report], which decides whether the work goes on.
//
// # What keeps a hostile tree inside
//
// Neither an image nor an archive is trusted. These rules hold for every combination:
//
//   - A path is relative and clean: slashes at the start of a member's name are dropped,
//     as tar(1) does, and a member with ".." in its name, or in that of its hard link's
//     target, is refused ([ErrClimbs]).
//   - On the host, no path of a tree is ever given to the kernel. A [HostSink] takes one
//     element at a time, in the open directory that it belongs to, and follows no symbolic
//     link; [HostSink.NoDevices] leaves out devices and FIFOs.
//   - In an image, links that were there lead where the image's own system has them; those
//     that the run has made cannot lead out of the directory that is written to (package
//     desttree).
//   - A hard link is made only to what the same rules reach.
//   - No more of an item waits in memory than [Transfer]'s batches allow, and a size that
//     an archive announces is believed when the bytes were there.
package treecopy

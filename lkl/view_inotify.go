package lkl

// InotifyInit1 makes a descriptor for watches, as inotify_init1(2). It is read with
// [View.Read]; as there is no way here to wait for it to be readable, flags should have
// IN_NONBLOCK.
func (v *View) InotifyInit1(flags int) (fd int, err error) {
	return v.call(sysInotifyInit1, uint64(flags))
}

// InotifyAddWatch watches a path, or changes what it is watched for, as
// inotify_add_watch(2).
func (v *View) InotifyAddWatch(fd int, path string, mask uint32) (watchdesc int, err error) {
	return v.callAt(sysInotifyAddWatch, fd, path, uint64(mask))
}

// InotifyRmWatch ends a watch, as inotify_rm_watch(2).
func (v *View) InotifyRmWatch(fd int, watchdesc uint32) (success int, err error) {
	return v.call(sysInotifyRmWatch, uint64(fd), uint64(watchdesc))
}

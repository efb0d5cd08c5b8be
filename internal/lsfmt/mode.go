package lsfmt

import "golang.org/x/sys/unix"

// AppendMode appends st_mode as ls -l writes it: "drwxr-xr-x".
func AppendMode(b []byte, mode uint32) []byte {
	b = append(b, TypeLetter(mode, '-'))
	const rwx = "rwxrwxrwx"
	for i := range 9 {
		c := byte('-')
		if mode&(1<<(8-i)) != 0 {
			c = rwx[i]
		}
		b = append(b, c)
	}
	special := func(bit uint32, pos int, with, without byte) {
		if mode&bit == 0 {
			return
		}
		p := &b[len(b)-10+pos]
		if *p == 'x' {
			*p = with
		} else {
			*p = without
		}
	}
	special(unix.S_ISUID, 3, 's', 'S')
	special(unix.S_ISGID, 6, 's', 'S')
	special(unix.S_ISVTX, 9, 't', 'T')
	return b
}

// TypeLetter returns how ls -l and find -type call a type. They differ on regular files, for
// which the letter is given.
func TypeLetter(mode uint32, regular byte) byte {
	switch mode & unix.S_IFMT {
	case unix.S_IFREG:
		return regular
	case unix.S_IFDIR:
		return 'd'
	case unix.S_IFLNK:
		return 'l'
	case unix.S_IFBLK:
		return 'b'
	case unix.S_IFCHR:
		return 'c'
	case unix.S_IFIFO:
		return 'p'
	case unix.S_IFSOCK:
		return 's'
	}
	return '?'
}

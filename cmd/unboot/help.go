package main

import (
	"fmt"
	"io"
	"os"
)

const usage = `unboot lists, reads, writes and archives files in disk images and block devices.

  unboot info IMAGE                     disks, partitions, file systems
  unboot ls [-lRa] IMAGE[:PATH]...      list files
  unboot cat IMAGE:PATH...              print files
  unboot cp [-r] SRC... DST             copy files out of, into and between images
  unboot tar IMAGE[:PATH]               archive a tree, or unpack one with -x
  unboot find IMAGE[:PATH] [EXPR]       find files
  unboot stat IMAGE:PATH...             all about files
  unboot df IMAGE                       space
  unboot sum IMAGE:PATH...              checksums
  unboot write IMAGE:PATH               write standard input to a file
  unboot mkdir [-p] IMAGE:PATH...       make directories
  unboot rm [-rf] IMAGE:PATH...         remove files
  unboot mv IMAGE:PATH... PATH          rename files
  unboot run -- COMMAND [ARG...]        run a program that uses libguestfs on unboot
  unboot env                            the same for a shell: eval "$(unboot env)"
  unboot hv OPTION...                   what libguestfs starts in place of qemu
  unboot version                        versions of unboot and of its kernel
  unboot help COMMAND                   more about a command

Options of every command with an image:
  -m DEVICE[:MOUNTPOINT[:OPTIONS[:FSTYPE]]]
                       mount this; repeat it for more. Without it, the only file
                       system is mounted, or the operating system's with its fstab
      --add FILE       attach another disk
      --sector-size N  size of the image's sectors, if it is not what it looks like
      --backing-files  let a qcow2 image name other files that it needs: if you
                       trust it
      --timeout TIME   give up after it, such as 10s: for images not to be trusted
      --cpu-limit TIME give up when so much processor time was taken: for reading it
                       is two minutes and half a second a MiB of the disks; 0 for
                       no limit

If the environment has SOURCE_DATE_EPOCH, a time in seconds since 1970, it is that
time in the image: what is written carries it, or an earlier time of its own. Then
the same commands make of the same image the same image.

  unboot ls -l disk.img:/etc
  unboot cp disk.img:/etc/fstab .
  unboot -h
`

const usageHelp = `usage: unboot help [COMMAND]
`

func runHelp(a *app, args []string) error {
	args, err := (&flagSet{}).parse(args)
	if err != nil {
		return err
	}
	if len(args) == 0 {
		_, err := io.WriteString(os.Stdout, usage)
		return err
	}
	for _, c := range commands() {
		if c.name == args[0] {
			_, err := io.WriteString(os.Stdout, c.usage)
			return err
		}
	}
	return fmt.Errorf("no command %s", quote(args[0]))
}

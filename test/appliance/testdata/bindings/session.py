import os
import sys
import tempfile

import guestfs

g = guestfs.GuestFS(python_return_dict=True)
g.add_drive_opts(sys.argv[1], format="raw")
g.launch()
print("devices", " ".join(g.list_devices()))
for device, kind in sorted(g.list_filesystems().items()):
    print("filesystem", device, kind)
for root in g.inspect_os():
    print("root", root, g.inspect_get_type(root), g.inspect_get_distro(root), g.inspect_get_major_version(root),
          g.inspect_get_hostname(root))
    mounts = g.inspect_get_mountpoints(root)
    for dir in sorted(mounts, key=len):
        print("mount", dir, mounts[dir])
        g.mount(mounts[dir], dir)
    for app in g.inspect_list_applications2(root):
        print("application", app["app2_name"], app["app2_epoch"], app["app2_version"])
print("list", " ".join(g.ls("/boot")))
print("read", g.cat("/etc/hostname").strip())
st = g.statns("/etc/shadow")
print("stat %o %d %d %d" % (st["st_mode"], st["st_uid"], st["st_gid"], st["st_size"]))
print("lines", len(g.read_lines("/srv/numbers")))
g.write("/srv/written", b"a\0b\n")
print("written", g.filesize("/srv/written"), g.checksum("md5", "/srv/written"))
with tempfile.TemporaryDirectory() as d:
    name = os.path.join(d, "numbers")
    g.download("/srv/numbers", name)
    with open(name, "a") as f:
        f.write("and more\n")
    g.upload(name, "/srv/uploaded")
print("uploaded", g.filesize("/srv/uploaded"))
try:
    g.cat("/nope")
except RuntimeError as e:
    print("error", e)
g.umount_all()
g.shutdown()
g.close()
print("closed")

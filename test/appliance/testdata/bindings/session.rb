require "guestfs"
require "tmpdir"

g = Guestfs::Guestfs.new
g.add_drive_opts(ARGV[0], format: "raw")
g.launch
puts "devices #{g.list_devices.join(" ")}"
g.list_filesystems.sort.each { |device, kind| puts "filesystem #{device} #{kind}" }
g.inspect_os.each do |root|
  puts "root #{root} #{g.inspect_get_type(root)} #{g.inspect_get_distro(root)} #{g.inspect_get_major_version(root)} " \
       "#{g.inspect_get_hostname(root)}"
  g.inspect_get_mountpoints(root).sort_by { |dir, _| dir.length }.each do |dir, device|
    puts "mount #{dir} #{device}"
    g.mount(device, dir)
  end
  g.inspect_list_applications2(root).each { |a| puts "application #{a["app2_name"]} #{a["app2_epoch"]} #{a["app2_version"]}" }
end
puts "list #{g.ls("/boot").join(" ")}"
puts "read #{g.cat("/etc/hostname").strip}"
st = g.statns("/etc/shadow")
puts format("stat %o %d %d %d", st["st_mode"], st["st_uid"], st["st_gid"], st["st_size"])
puts "lines #{g.read_lines("/srv/numbers").length}"
g.write("/srv/written", "a\0b\n")
puts "written #{g.filesize("/srv/written")} #{g.checksum("md5", "/srv/written")}"
Dir.mktmpdir do |d|
  name = File.join(d, "numbers")
  g.download("/srv/numbers", name)
  File.open(name, "a") { |f| f.puts "and more" }
  g.upload(name, "/srv/uploaded")
end
puts "uploaded #{g.filesize("/srv/uploaded")}"
begin
  g.cat("/nope")
rescue Guestfs::Error => e
  puts "error #{e.message}"
end
g.umount_all
g.shutdown
g.close
puts "closed"

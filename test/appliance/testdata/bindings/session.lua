local G = require "guestfs"

local function sorted(t, less)
  local keys = {}
  for k in pairs(t) do keys[#keys + 1] = k end
  table.sort(keys, less)
  return keys
end

local g = G.create()
g:add_drive(arg[1], { format = "raw" })
g:launch()
print("devices " .. table.concat(g:list_devices(), " "))
local filesystems = g:list_filesystems()
for _, device in ipairs(sorted(filesystems)) do print("filesystem " .. device .. " " .. filesystems[device]) end
for _, root in ipairs(g:inspect_os()) do
  print(string.format("root %s %s %s %d %s", root, g:inspect_get_type(root), g:inspect_get_distro(root),
    g:inspect_get_major_version(root), g:inspect_get_hostname(root)))
  local mounts = g:inspect_get_mountpoints(root)
  for _, dir in ipairs(sorted(mounts, function(a, b) return #a < #b end)) do
    print("mount " .. dir .. " " .. mounts[dir])
    g:mount(mounts[dir], dir)
  end
  for _, a in ipairs(g:inspect_list_applications2(root)) do
    print(string.format("application %s %d %s", a.app2_name, a.app2_epoch, a.app2_version))
  end
end
print("list " .. table.concat(g:ls("/boot"), " "))
print("read " .. g:cat("/etc/hostname"):gsub("\n", ""))
local st = g:statns("/etc/shadow")
print(string.format("stat %o %d %d %d", st.st_mode, st.st_uid, st.st_gid, st.st_size))
print("lines " .. #g:read_lines("/srv/numbers"))
g:write("/srv/written", "a\0b\n")
print(string.format("written %d %s", g:filesize("/srv/written"), g:checksum("md5", "/srv/written")))
local name = os.tmpname()
g:download("/srv/numbers", name)
local f = io.open(name, "a")
f:write("and more\n")
f:close()
g:upload(name, "/srv/uploaded")
os.remove(name)
print(string.format("uploaded %d", g:filesize("/srv/uploaded")))
local ok, e = pcall(function() g:cat("/nope") end)
if not ok then
  print("error " .. e.msg)
  assert(e.code == 2)
end
g:umount_all()
g:shutdown()
g:close()
print("closed")

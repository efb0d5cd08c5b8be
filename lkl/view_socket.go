package lkl

// Socket makes a socket, as socket(2): a way to the ioctls of the kernel's own network
// interfaces, netdevice(7). It has nothing to do with the host's network.
func (v *View) Socket(domain, typ, protocol int) (int, error) {
	return v.call(sysSocket, uint64(domain), uint64(typ), uint64(protocol))
}

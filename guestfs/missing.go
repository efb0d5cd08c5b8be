package guestfs

import "syscall"

// Functions that cannot be done here answer with an error that says so.

func missing(what string) error {
	return errorf(syscall.ENOTSUP, "%s is not available in unboot", what)
}

func (g *Guestfs) mountLocal(mountpoint string, optargs *OptargsMount_local) error {
	return missing("mount_local (use \"unboot mount\" or guestmount)")
}

func (g *Guestfs) mountLocalRun() error {
	return errorf(0, "you must call guestfs_mount_local first")
}

func (g *Guestfs) umountLocal(optargs *OptargsUmount_local) error {
	return errorf(0, "no filesystem is mounted")
}

func (g *Guestfs) addDomain(dom string, optargs *OptargsAdd_domain) (int, error) {
	return -1, missing("libvirt: add the drives of the domain")
}

func (g *Guestfs) addLibvirtDom(dom int64, optargs *OptargsAdd_libvirt_dom) (int, error) {
	return -1, missing("libvirt: add the drives of the domain")
}

// cPointer has no pointer to give: there is no handle of C.
func (g *Guestfs) cPointer() (int64, error) { return 0, missing("c_pointer") }

func (g *Guestfs) setLibvirtSupportedCredentials(creds []string) error {
	set(g, &g.settings.supportedCredentials, creds)
	return nil
}

func (g *Guestfs) getLibvirtRequestedCredentials() ([]string, error) { return []string{}, nil }

func (g *Guestfs) getLibvirtRequestedCredentialPrompt(index int) (string, error) {
	return "", missing("libvirt")
}

func (g *Guestfs) getLibvirtRequestedCredentialChallenge(index int) (string, error) {
	return "", missing("libvirt")
}

func (g *Guestfs) getLibvirtRequestedCredentialDefresult(index int) (string, error) {
	return "", missing("libvirt")
}

func (g *Guestfs) setLibvirtRequestedCredential(index int, cred []byte) error {
	return missing("libvirt")
}

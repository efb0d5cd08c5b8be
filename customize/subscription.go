package customize

import (
	"context"
	"errors"
	"strings"
)

// credentials are those for subscription-manager(8).
type credentials struct{ user, password string }

func (p *Plan) smCredentials(value string) error {
	user, selector, _ := strings.Cut(value, ":")
	word, rest, ok := strings.Cut(selector, ":")
	c := credentials{user: user}
	switch {
	case user == "" || !ok || strings.ContainsAny(user, "\n\x00"):
		return errors.New("not USER:file:FILENAME or USER:password:PASSWORD")
	case word == "file":
		var err error
		if c.password, err = firstLine(rest); err != nil {
			return err
		}
	case word == "password":
		c.password = rest
	default:
		return errors.New("not USER:file:FILENAME or USER:password:PASSWORD")
	}
	if c.password == "" || strings.ContainsAny(c.password, "\n\x00") {
		return errors.New("a password that is empty or has a line break")
	}
	p.creds = &c
	return nil
}

// smRegister gives the password on standard input: others in the guest could see it among
// the arguments.
func (p *Plan) smRegister() error {
	return p.op(func(ctx context.Context, g *Guest) error {
		if p.creds == nil {
			return errors.New("--sm-register needs --sm-credentials")
		}
		g.say("registering with subscription-manager")
		script := "subscription-manager register --username=" + quoteAll([]string{p.creds.user}) + "\n"
		return g.script(ctx, "subscription-manager register", script, true, strings.NewReader(p.creds.password+"\n"))
	})
}

func (p *Plan) smAttach(selector string) error {
	word, pool, _ := strings.Cut(selector, ":")
	command := "subscription-manager attach "
	switch {
	case selector == "auto":
		command += "--auto"
	case word == "file":
		var err error
		if pool, err = firstLine(pool); err != nil {
			return err
		}
		command += "--pool=" + quoteAll([]string{pool})
	case word == "pool" && pool != "":
		command += "--pool=" + quoteAll([]string{pool})
	default:
		return errors.New("not auto, file:FILENAME or pool:POOL")
	}
	return p.sm("attaching to subscriptions", "subscription-manager attach", command)
}

func (p *Plan) smRemove() error {
	return p.sm("removing all subscriptions", "subscription-manager remove", "subscription-manager remove --all")
}

func (p *Plan) smUnregister() error {
	return p.sm("unregistering from subscription-manager", "subscription-manager unregister", "subscription-manager unregister")
}

func (p *Plan) sm(say, what, command string) error {
	return p.op(func(ctx context.Context, g *Guest) error {
		g.say("%s", say)
		return g.script(ctx, what, command+"\n", true, nil)
	})
}

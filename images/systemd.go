package images

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/unit"
)

// systemdOnly are the keys that need systemd, by section: the local target cannot
// obey them, and none of them changes what a process of its does. A key that is neither
// here nor read by parseUnit is an error.
func systemdOnly(section string) []string {
	switch section {
	case "Unit":
		return []string{"Description", "Documentation", "After", "Wants", "Requires", "StartLimitIntervalSec"}
	case "Service":
		return []string{
			"Restart", "RestartSec", "TimeoutStartSec", "KillMode", "UMask", "RemainAfterExit",
			"SupplementaryGroups", "DevicePolicy", "DeviceAllow", "PrivateNetwork",
			"CapabilityBoundingSet", "LockPersonality", "MemoryDenyWriteExecute", "NoNewPrivileges",
			"PrivateDevices", "PrivateTmp", "ProtectClock", "ProtectControlGroups", "ProtectHome",
			"ProtectHostname", "ProtectKernelLogs", "ProtectKernelModules", "ProtectKernelTunables",
			"ProtectProc", "ProtectSystem", "RestrictAddressFamilies", "RestrictNamespaces",
			"RestrictRealtime", "RestrictSUIDSGID", "SystemCallArchitectures", "SystemCallErrorNumber",
			"SystemCallFilter",
		}
	case "Install":
		return []string{"WantedBy"}
	}
	return nil
}

// directories are the keys that make a directory, and below what.
func directories() map[string]string {
	return map[string]string{
		"StateDirectory":   "/var/lib",
		"CacheDirectory":   "/var/cache",
		"LogsDirectory":    "/var/log",
		"RuntimeDirectory": "/run",
	}
}

// parseUnit reads the unit file of machine m. The section X-Burbn, which systemd
// ignores, says what only somebody who waits for the unit needs to know.
//
// credentials are the templates of composed credentials by name; any other is the
// secret of its name.
func parseUnit(text, name string, m Machine, credentials map[string]string) (Unit, error) {
	sections, err := unit.DeserializeSections(strings.NewReader(text))
	if err != nil {
		return Unit{}, err
	}
	u := Unit{Name: name, StopSignal: "TERM", CredentialsDir: m.Path(credentialsDir(name))}
	var setup [][]string
	for _, s := range sections {
		for _, e := range s.Entries {
			if slices.Contains(systemdOnly(s.Section), e.Name) {
				continue
			}
			if err := u.set(s.Section+"."+e.Name, e.Value, m, credentials, &setup); err != nil {
				return Unit{}, fmt.Errorf("[%s] %s=%s: %w", s.Section, e.Name, e.Value, err)
			}
		}
	}
	// As systemd does, directories first.
	u.Setup = append(u.Setup, setup...)
	return u, u.complete(credentials)
}

// set obeys one line of a unit file.
func (u *Unit) set(key, value string, m Machine, credentials map[string]string, setup *[][]string) (err error) {
	if base, ok := directories()[strings.TrimPrefix(key, "Service.")]; ok {
		u.Setup = append(u.Setup, []string{"/usr/bin/install", "-d", "-m", "0700", m.Path(base + "/" + value)})
		return nil
	}
	switch key {
	case "Service.Type":
		switch value {
		case "notify", "exec":
		case "oneshot":
			u.Once = true
		default:
			return errors.New("accepted is notify, exec or oneshot")
		}
	case "Service.ExecStart":
		u.Exec, err = words(value)
	case "Service.ExecStartPre":
		var w []string
		w, err = words(value)
		*setup = append(*setup, w)
	case "Service.ExecReload":
		command, root := strings.CutPrefix(value, "+")
		if root || strings.HasPrefix(value, m.Path(programDir+"/burbn")+"/") {
			// systemd alone does not give a running unit its credentials anew, and its
			// machines alone are told of new ones while they run.
			_, err := words(command)
			return err
		}
		signal, ok := strings.CutPrefix(value, "/bin/kill -")
		signal, mainPID := strings.CutSuffix(signal, " $MAINPID")
		if !ok || !mainPID {
			return errors.New("accepted is /bin/kill -SIGNAL $MAINPID, and before or instead of it, on systemd alone, a command that begins with + or a program below " + m.Path(programDir+"/burbn"))
		}
		u.ReloadSignal = signal
	case "Service.User":
		u.User = value
	case "Service.Environment":
		k, v, ok := strings.Cut(value, "=")
		if _, err := words(value); err != nil || !ok || strings.Contains(v, " ") {
			return errors.New("accepted is one NAME=VALUE without spaces")
		}
		if u.Env == nil {
			u.Env = map[string]string{}
		}
		u.Env[k] = v
	case "Service.WorkingDirectory":
		u.Dir = value
	case "Service.LoadCredential":
		t, ok := credentials[value]
		if !ok {
			t = "{{" + value + "}}"
		}
		u.Credentials = append(u.Credentials, Credential{Name: value, Template: t})
	case "Service.KillSignal":
		u.StopSignal = strings.TrimPrefix(value, "SIG")
	case "Service.TimeoutStopSec":
		u.StopTimeout, err = seconds(value)
	case "Service.LimitNOFILE":
		u.OpenFiles, err = strconv.Atoi(value)
	case "X-Burbn.Listen":
		u.Listen = append(u.Listen, strings.Fields(value)...)
	case "X-Burbn.ReadyHTTP":
		u.Ready.HTTP = value
	case "X-Burbn.ReadyTCP":
		u.Ready.TCP = value
	case "X-Burbn.ReadyExec":
		u.Ready.Exec, err = words(value)
	case "X-Burbn.ReadyTimeout":
		u.Ready.Timeout, err = seconds(value)
	default:
		return errors.New("the key is neither obeyed nor known to be systemd's alone")
	}
	return err
}

// complete says what the unit file lacks.
func (u *Unit) complete(credentials map[string]string) error {
	checks := 0
	for _, set := range []bool{u.Ready.HTTP != "", u.Ready.TCP != "", len(u.Ready.Exec) > 0} {
		if set {
			checks++
		}
	}
	switch {
	case len(u.Exec) == 0:
		return errors.New("ExecStart is missing")
	case u.Ready.Timeout == 0:
		return errors.New("ReadyTimeout is missing")
	case u.Once && checks != 0:
		return errors.New("a oneshot is ready when it exits: ReadyHTTP, ReadyTCP and ReadyExec are not accepted")
	case !u.Once && checks != 1:
		return fmt.Errorf("one of ReadyHTTP, ReadyTCP and ReadyExec is needed, not %d", checks)
	case !u.Once && u.StopTimeout == 0:
		return errors.New("TimeoutStopSec is missing")
	}
	for _, name := range slices.Sorted(maps.Keys(credentials)) {
		if !slices.ContainsFunc(u.Credentials, func(c Credential) bool { return c.Name == name }) {
			return fmt.Errorf("LoadCredential=%s is missing: the part has %s/%s", name, credentialDir, name)
		}
	}
	return nil
}

// words splits a command line. What systemd would expand or unquote is refused,
// because the local target would have to do just the same.
func words(s string) ([]string, error) {
	if strings.ContainsAny(s, "\"'\\$%") {
		return nil, errors.New("quotes, backslashes, $ and % are not accepted")
	}
	w := strings.Fields(s)
	if len(w) == 0 || !strings.HasPrefix(w[0], "/") && !strings.Contains(w[0], "=") {
		return nil, errors.New("the program's path is not absolute")
	}
	return w, nil
}

func seconds(s string) (time.Duration, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n <= 0 {
		return 0, errors.New("accepted is a positive number of seconds")
	}
	return time.Duration(n) * time.Second, nil
}

// Command burbn is what an operator types: it looks at a stack's machines, runs
// commands on them and clears away what is left when they are gone.
//
// It works from the stack file and the machines themselves. It neither starts, changes
// nor stops a machine: that is `pulumi up` and `destroy`.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"text/tabwriter"
)

func main() { os.Exit(burbn()) }

// console is where a command writes: results to out, progress to err.
type console struct{ out, err io.Writer }

// action is a command with its flags parsed.
type action func(ctx context.Context, c console, args []string) error

// command is a subcommand. Its flags are declared by setup, which returns what runs
// once they are parsed.
type command struct {
	name, args, does string
	help             string // below does, in burbn NAME -h
	setup            func(*flag.FlagSet) action
}

func commands() []command {
	return []command{
		{"status", "[-stack STACK] [-json]", "every machine: address, health, memory",
			"Asks every unit of every machine whether it is ready. Exits with 1 if one is not.", status},
		{"wait", "[-stack STACK] [-timeout 60s]", "wait until every machine is healthy", "", wait},
		{"run", "-role ROLE [-machine NAME] [-timeout 60s] -- COMMAND...", "run a command on every machine of a role, in parallel",
			"COMMAND runs in the folder of each machine, with MACHINE, ROLE, ADDR and ROOT in\n" +
				"its environment, and its output carries the machine's name. A pipe needs a shell:\n\n" +
				"  burbn run -role api -- sh -c 'curl -s http://$ADDR:8081/metrics | grep -c ^burbn'\n\n" +
				"On AWS it goes through SSM Run Command, as root, and MACHINE and ROLE are known; -machine\n" +
				"is the id of an instance. Whoever runs it needs ssm:SendCommand, ssm:ListCommands,\n" +
				"ssm:ListCommandInvocations, ssm:GetCommandInvocation and ssm:CancelCommand.", runEverywhere},
		{"plan", "[-s STACK] [-against REVISION] [-all | -json | -markdown]", "what a stack on AWS becomes, costs, and what an edit of it does",
			"Needs no account, no credentials and no network. It reads the stack's file and the\n" +
				"program of this checkout; of REVISION it reads the stack's file alone, so that an edit\n" +
				"of the program shows no difference. What somebody changed by hand is for\n" +
				"pulumi preview to find. Exits with 1 if a guard-rail does not hold or the edit would\n" +
				"be refused, and with 2 if there is nothing to plan.\n\n" +
				"  burbn plan -s production -against main", planCommand},
		{"logs", "[-role ROLE] [-machine NAME] [-f] [-n 20]", "the ends of the units' logs",
			"With -f they go on as they are written, until you interrupt.", logs},
		{"endpoints", "[-stack STACK] [-json]", "where to reach the stack, and what to try first", "", endpoints},
		{"doctor", "[-stack STACK]", "what this machine lacks to bring the stack up",
			"Changes nothing. Exits with 1 if something is missing or a port is taken.", doctor},
		{"load", "[-stack STACK] [-what feed,media] [-at nginx] [-c 32] [-t 10s]", "measure the whole chain from nginx or the load balancer on",
			"Makes users and photos of its own, which stay. CPU is that of every process of the\n" +
				"stack, and none of burbn's own.", loadTest},
		{"state", "[-stack STACK]", "the folder of all that the stack stores", "", state},
		{"moderate", "[-stack STACK] [-as NAME] [-reason TEXT] ACT [SUBJECT]", "look at reports, take photos down, suspend accounts",
			"ACT is one of\n\n" +
				"  queue                 open reports, those with the most reporters first\n" +
				"  show media|user ID    what there is to judge by\n" +
				"  takedown MEDIA        hide a photo from all but its author\n" +
				"  restore MEDIA\n" +
				"  suspend USER          hide an account, and log it out everywhere\n" +
				"  reinstate USER\n" +
				"  dismiss KIND ID       close the reports of a user, media or comment\n" +
				"  audit [KIND ID]       what was done, by whom and why\n\n" +
				"MEDIA and USER are ids. What changes anything needs -reason and is written into the\n" +
				"audit log by the same transaction; it may be repeated. The API obeys at once; where\n" +
				"memcached does not answer, within two minutes. Who kept the URL of a photo that is\n" +
				"taken down still gets its bytes from the CDN.", moderate},
		{"unlock", "[-stack STACK]", "remove the lock of a pulumi that was killed",
			"A lock whose holder still works is left alone, and is an error.", unlock},
		{"forget", "[-stack STACK]", "delete all that a stopped stack has stored",
			"Databases, photos, logs: there is no way back. Refused while the stack is up.", forget},
	}
}

// errUsage says that the command line was not understood, and that this has been
// explained already.
var errUsage = errors.New("usage")

// errSaid says that something is wrong which has been explained already.
var errSaid = errors.New("explained above")

// misuse is a command line that names what there is not, such as an unknown stack.
type misuse struct{ error }

func (m misuse) Unwrap() error { return m.error }

// exited is how a program ended that the command was handed over to, which has
// explained it.
type exited int

func (e exited) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

func burbn() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := dispatch(ctx, console{os.Stdout, os.Stderr}, os.Args[1:])
	var handed exited
	var wrong misuse
	switch {
	case err == nil:
		return 0
	case errors.As(err, &handed):
		return int(handed)
	case errors.As(err, &wrong):
		fmt.Fprintf(os.Stderr, "burbn: %v\n", err)
		return 2
	case errors.Is(err, errUsage):
		return 2
	case errors.Is(err, errSaid):
		return 1
	default:
		fmt.Fprintf(os.Stderr, "burbn: %v\n", err)
		return 1
	}
}

func dispatch(ctx context.Context, c console, args []string) error {
	if len(args) == 0 {
		overview(c.err)
		return errUsage
	}
	if args[0] == "help" || args[0] == "-h" || args[0] == "-help" || args[0] == "--help" {
		overview(c.out)
		return nil
	}
	var names []string
	for _, cmd := range commands() {
		if cmd.name == args[0] {
			return cmd.run(ctx, c, args[1:])
		}
		names = append(names, cmd.name)
	}
	fmt.Fprintf(c.err, "burbn: the command %q is unknown: accepted is %s\n", args[0], strings.Join(names, ", "))
	return errUsage
}

func (cmd command) run(ctx context.Context, c console, args []string) error {
	flags := flag.NewFlagSet(cmd.name, flag.ContinueOnError)
	flags.SetOutput(c.err)
	flags.Usage = func() {
		fmt.Fprintf(flags.Output(), "burbn %s %s\n\n%s.\n", cmd.name, cmd.args, strings.ToUpper(cmd.does[:1])+cmd.does[1:])
		if cmd.help != "" {
			fmt.Fprintf(flags.Output(), "%s\n", cmd.help)
		}
		fmt.Fprintln(flags.Output())
		flags.PrintDefaults()
	}
	act := cmd.setup(flags)
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return nil
	case err != nil:
		return errUsage
	}
	err := act(ctx, c, flags.Args())
	if errors.Is(err, errUsage) {
		flags.Usage()
	}
	return err
}

func overview(w io.Writer) {
	fmt.Fprint(w, "burbn looks at a stack's machines and runs commands on them.\n\n")
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, cmd := range commands() {
		fmt.Fprintf(table, "  burbn %s\t%s\n", cmd.name, cmd.does)
	}
	table.Flush()
	fmt.Fprint(w, "\nburbn COMMAND -h says more of each.\n")
}

// none refuses arguments where a command takes none.
func none(c console, args []string) error {
	if len(args) == 0 {
		return nil
	}
	fmt.Fprintf(c.err, "burbn: %q is one argument too many\n\n", args[0])
	return errUsage
}

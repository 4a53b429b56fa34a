// Owns the command `completion`: it makes scripts for shells from the program's commands and options.

import { Command, Argument } from 'commander';
import { print } from './output.js';

const SHELLS = ['bash', 'zsh', 'fish'] as const;
type Shell = (typeof SHELLS)[number];

/** One command and what can follow it. */
interface Entry {
  /** The words that lead to it, such as `ext2 ls`; empty for the program itself. */
  readonly path: string;
  readonly commands: readonly { name: string; text: string }[];
  readonly options: readonly { flags: readonly string[]; text: string; takesValue: boolean; choices: readonly string[] }[];
  /** The words that its arguments may be; if there are none, arguments are paths. */
  readonly choices: readonly string[];
}

// A completion shows the first line of a description.
const firstLine = (text: string): string => text.split('\n')[0] ?? '';

function entriesOf(command: Command, path = ''): Entry[] {
  const help = command.createHelp();
  const commands = help.visibleCommands(command);
  const own: Entry = {
    path,
    commands: commands.map((child) => ({ name: child.name(), text: firstLine(child.description()) })),
    options: help.visibleOptions(command).map(({ short, long, description, required, optional, argChoices }) => ({
      flags: [short, long].filter((flag) => flag !== undefined),
      text: firstLine(description),
      takesValue: required || optional,
      choices: argChoices ?? [],
    })),
    choices: command.registeredArguments.flatMap(({ argChoices }) => argChoices ?? []),
  };
  const children = commands.filter((child) => child.name() !== 'help');
  return [own, ...children.flatMap((child) => entriesOf(child, `${path} ${child.name()}`.trim()))];
}

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
const words = ({ commands, choices }: Entry): string => [...commands.map(({ name }) => name), ...choices].join(' ');

/** The lines of a shell's `case` over the paths of the commands. */
function cases(entries: readonly Entry[], lines: (entry: Entry) => string[]): string[] {
  return entries.flatMap((entry) => [`    ${quoted(entry.path)})`, ...lines(entry).map((line) => `      ${line}`), '      ;;']);
}

// Completes values of options first, then words that begin with a dash, then commands, words or paths.
function bash(entries: readonly Entry[]): string[] {
  const valued = (entry: Entry): string[] => [
    'case "$previous" in',
    ...entry.options.filter(({ takesValue }) => takesValue).map(({ flags, choices }) => `  ${flags.join('|')}) ${choices.length > 0 ? `values=${quoted(choices.join(' '))}` : 'files=1'} ;;`),
    'esac',
  ];
  return [
    '# node-dax completion bash: source it, or put it where bash-completion looks for it.',
    '_node_dax() {',
    '  local current="${COMP_WORDS[COMP_CWORD]}" previous="${COMP_WORDS[COMP_CWORD-1]}" path="" values="" files="" options="" commands="" i',
    '  COMPREPLY=()',
    '  for ((i = 1; i < COMP_CWORD; i++)); do',
    '    case " $path ${COMP_WORDS[i]}" in',
    ...entries.filter(({ path }) => path !== '').map(({ path }) => `      ${quoted(path.includes(' ') ? ` ${path}` : `  ${path}`)}) path=${quoted(path)} ;;`),
    '    esac',
    '  done',
    '  case "$path" in',
    ...cases(entries, (entry) => [`options=${quoted(entry.options.flatMap(({ flags }) => flags).join(' '))}`, `commands=${quoted(words(entry))}`, ...valued(entry)]),
    '  esac',
    '  if [[ -n $values ]]; then COMPREPLY=($(compgen -W "$values" -- "$current"))',
    '  elif [[ -n $files ]]; then COMPREPLY=($(compgen -f -- "$current"))',
    '  elif [[ $current == -* ]]; then COMPREPLY=($(compgen -W "$options" -- "$current"))',
    '  elif [[ -n $commands ]]; then COMPREPLY=($(compgen -W "$commands" -- "$current"))',
    '  else COMPREPLY=($(compgen -f -- "$current"))',
    '  fi',
    '}',
    'complete -o filenames -F _node_dax node-dax',
  ];
}

// For zsh's _describe a colon separates a word from its description.
function zsh(entries: readonly Entry[]): string[] {
  const described = (name: string, text: string): string => quoted(`${name.replaceAll(':', '\\:')}:${text}`);
  return [
    '#compdef node-dax',
    '# node-dax completion zsh: put it as _node-dax into a folder of $fpath.',
    '_node_dax() {',
    '  local path_of_command="" word previous="${words[CURRENT-1]}"',
    '  local -a options commands values',
    '  for word in "${(@)words[2,CURRENT-1]}"; do',
    '    case "${path_of_command:+$path_of_command }$word" in',
    ...entries.filter(({ path }) => path !== '').map(({ path }) => `      ${quoted(path)}) path_of_command=${quoted(path)} ;;`),
    '    esac',
    '  done',
    '  case "$path_of_command" in',
    ...cases(entries, ({ options, commands, choices }) => [
      `options=(${options.flatMap(({ flags, text }) => flags.map((flag) => described(flag, text))).join(' ')})`,
      `commands=(${[...commands.map(({ name, text }) => described(name, text)), ...choices.map(quoted)].join(' ')})`,
      'case "$previous" in',
      ...options.filter(({ takesValue }) => takesValue).map(({ flags, choices: values }) => `  ${flags.join('|')}) ${values.length > 0 ? `values=(${values.map(quoted).join(' ')}); compadd -a values` : '_files'}; return ;;`),
      'esac',
    ]),
    '  esac',
    '  if [[ "${words[CURRENT]}" == -* ]]; then _describe option options',
    '  elif (( ${#commands} )); then _describe command commands',
    '  else _files',
    '  fi',
    '}',
    'compdef _node_dax node-dax',
  ];
}

// fish needs a condition for each completion: the words so far that are not options must begin with those of the command.
function fish(entries: readonly Entry[]): string[] {
  const string = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
  return [
    '# node-dax completion fish: put it as node-dax.fish into ~/.config/fish/completions.',
    'function __node_dax_path',
    '  set -l path',
    '  for word in (commandline -opc)[2..-1]',
    '    switch "$path $word"',
    ...entries.filter(({ path }) => path !== '').map(({ path }) => `      case ${string(path.includes(' ') ? path : ` ${path}`)}\n        set path ${string(path)}`),
    '    end',
    '  end',
    '  test "$path" = "$argv[1]"',
    'end',
    ...entries.flatMap(({ path, commands, options, choices }) => {
      const when = `complete -c node-dax -n ${string(`__node_dax_path ${string(path)}`)}`;
      return [
        ...commands.map(({ name, text }) => `${when} -f -a ${string(name)} -d ${string(text)}`),
        ...choices.map((choice) => `${when} -f -a ${string(choice)}`),
        ...options.map(({ flags, text, takesValue, choices: values }) => {
          const named = flags.map((flag) => (flag.startsWith('--') ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`)).join(' ');
          const value = values.length > 0 ? ` -x -a ${string(values.join(' '))}` : takesValue ? ' -r' : '';
          return `${when} ${named}${value} -d ${string(text)}`;
        }),
      ];
    }),
  ];
}

const WRITERS: Readonly<Record<Shell, (entries: readonly Entry[]) => string[]>> = { bash, zsh, fish };

/** Makes the command. `program` makes the whole program, whose commands are completed. */
export function completionCommand(program: () => Promise<Command>): Command {
  return new Command('completion')
    .description('Print a script that completes commands, options and their values in a shell: bash, zsh or fish')
    .addArgument(new Argument('<shell>', 'for which shell').choices(SHELLS))
    .addHelpText('after', '\n  bash:  source <(node-dax completion bash)\n  zsh:   node-dax completion zsh > "${fpath[1]}/_node-dax"\n  fish:  node-dax completion fish > ~/.config/fish/completions/node-dax.fish')
    .action(async (shell: Shell) => {
      await print(WRITERS[shell](entriesOf(await program())).map((line) => [line]));
    });
}

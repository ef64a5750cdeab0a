import { CommandEmpty, CommandGroup, CommandInput, CommandList, CommandRoot } from "cmdk";
import { useEffect, useRef, useState } from "react";
import { placesFor } from "../app/places.js";
import { chooseTheme, useTheme } from "../app/theme.js";
import type { Account } from "../session/account.js";
import { useSession } from "../session/SessionContext.js";
import { Icon } from "../ui/Icon.js";
import { Entry } from "./Entry.js";
import { OwnGroups } from "./OwnGroups.js";
import { scoreOf, soughtIn } from "./search.js";
import { useLookup } from "./useLookup.js";

interface PaletteProps {
  /** Null while nobody is signed in. */
  readonly account: Account | null;
  readonly onClose: () => void;
  readonly onGo: (path: string) => void;
}

/** Everything that can be opened or switched, found by typing. */
export function Palette({ account, onClose, onGo }: PaletteProps) {
  const [text, setText] = useState("");
  const { message, find, reset } = useLookup(onGo);
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => input.current?.focus(), []);
  const sought = soughtIn(text);
  const canFind = account !== null && (sought.id !== null || sought.key !== null);
  const canSearch = account?.isAdmin === true && text.trim() !== "";
  const write = (typed: string): void => {
    setText(typed);
    reset();
  };
  return (
    <CommandRoot label="Go to, find or switch" vimBindings={false} loop filter={(value, search, words) => scoreOf((words ?? [value]).join(" "), search)}>
      <div className="palette-top">
        <Icon name="search" />
        <CommandInput
          ref={input}
          className="palette-input"
          value={text}
          placeholder={account === null ? "A page or a user" : "A page, a person, an id or a key"}
          aria-describedby="palette-message"
          onValueChange={write}
        />
        <button type="button" className="icon-button" aria-label="Close" onClick={onClose}>
          <Icon name="cross" />
        </button>
      </div>
      <p id="palette-message" className="palette-message" role="status">
        {message}
      </p>
      {/* Beside the list: a list of options holds nothing else. */}
      {!canFind && !canSearch && <CommandEmpty className="palette-empty">{account === null ? "Nothing matches. Sign in to open something by its id." : "Nothing matches."}</CommandEmpty>}
      <CommandList className="palette-list" label="Commands">
        <PageGroup onGo={onGo} />
        {account !== null && <OwnGroups account={account} onGo={onGo} />}
        <SwitchGroup onClose={onClose} />
        {(canFind || canSearch) && (
          <CommandGroup heading="Find" forceMount>
            {canFind && (
              <Entry value="find" words="" icon="search" forceMount onSelect={() => find(account, sought)}>
                {sought.id === null ? `${account.name}’s payment with the key ` : "Open "}
                <code>{sought.id ?? sought.key}</code>
              </Entry>
            )}
            {canSearch && sought.id === null && (
              <Entry value="search" words="" icon="people" forceMount onSelect={() => onGo(`/find?q=${encodeURIComponent(text.trim())}`)}>
                Users and transactions like <q>{text.trim()}</q>
              </Entry>
            )}
          </CommandGroup>
        )}
      </CommandList>
    </CommandRoot>
  );
}

function PageGroup({ onGo }: Pick<PaletteProps, "onGo">) {
  const session = useSession();
  return (
    <CommandGroup heading="Pages">
      {placesFor(session).map(({ path, name, icon }) => (
        <Entry key={path} value={`page ${path}`} words={name} icon={icon} onSelect={() => onGo(path)}>
          {name}
        </Entry>
      ))}
      {session.account?.isAdmin === false && (
        <Entry value="page /activity" words="Activity search payments" icon="activity" onSelect={() => onGo("/activity")}>
          Activity
        </Entry>
      )}
      {session.account?.isAdmin === false && (
        <Entry value="page /convert" words="Convert exchange currency" icon="swap" onSelect={() => onGo("/convert")}>
          Convert
        </Entry>
      )}
      {session.account !== null && (
        <Entry value="page /webhooks" words="Webhooks endpoints events deliveries developers" icon="hook" onSelect={() => onGo("/webhooks")}>
          Webhooks
        </Entry>
      )}
      <Entry value="page /graphiql" words="GraphiQL API" icon="code" onSelect={() => window.location.assign("/graphiql")}>
        GraphiQL
      </Entry>
    </CommandGroup>
  );
}

function SwitchGroup({ onClose }: Pick<PaletteProps, "onClose">) {
  const { demo, account, signIn, signOut } = useSession();
  const theme = useTheme();
  const other = theme === "dark" ? "light" : "dark";
  const then = (action: () => void) => () => {
    action();
    onClose();
  };
  return (
    <CommandGroup heading="Switch">
      {demo?.users
        .filter(({ subject }) => subject !== account?.subject)
        .map(({ subject, display_name: name }) => (
          <Entry key={subject} value={`user ${subject}`} words={`Sign in as ${name} switch user`} icon="people" onSelect={then(() => signIn(subject))}>
            Sign in as {name}
          </Entry>
        ))}
      {demo === null && account !== null && (
        <Entry value="sign-out" words="Sign out" icon="people" onSelect={then(signOut)}>
          Sign out
        </Entry>
      )}
      <Entry value="theme" words={`Use ${other} colours theme`} icon={theme === "dark" ? "sun" : "moon"} onSelect={then(() => chooseTheme(other))}>
        Use {other} colours
      </Entry>
    </CommandGroup>
  );
}

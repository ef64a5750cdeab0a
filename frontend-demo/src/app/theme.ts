import { useSyncExternalStore } from "react";

export type Theme = "light" | "dark";

const KEY = "paycore.theme";
const prefersDark = window.matchMedia("(prefers-color-scheme: dark)");
const listeners = new Set<() => void>();

function chosen(): Theme | null {
  const theme = localStorage.getItem(KEY);
  return theme === "light" || theme === "dark" ? theme : null;
}

function current(): Theme {
  return chosen() ?? (prefersDark.matches ? "dark" : "light");
}

/** Colours follow the system until somebody chooses; the stylesheet reads the attribute. */
export function applyTheme(): void {
  const theme = chosen();
  if (theme === null) {
    delete document.documentElement.dataset["theme"];
  } else {
    document.documentElement.dataset["theme"] = theme;
  }
}

export function chooseTheme(theme: Theme): void {
  localStorage.setItem(KEY, theme);
  applyTheme();
  listeners.forEach((listener) => listener());
}

export function useTheme(): Theme {
  return useSyncExternalStore((listener) => {
    listeners.add(listener);
    prefersDark.addEventListener("change", listener);
    return () => {
      listeners.delete(listener);
      prefersDark.removeEventListener("change", listener);
    };
  }, current);
}

import { Icon } from "../ui/Icon.js";
import { chooseTheme, useTheme } from "./theme.js";

export function ThemeToggle() {
  const theme = useTheme();
  const other = theme === "dark" ? "light" : "dark";
  return (
    <button type="button" className="icon-button" aria-label={`Use ${other} colours`} title={`Use ${other} colours`} onClick={() => chooseTheme(other)}>
      <Icon name={theme === "dark" ? "sun" : "moon"} />
    </button>
  );
}

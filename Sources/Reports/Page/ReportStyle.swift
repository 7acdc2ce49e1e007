/// The report's style sheet. The colours of groups are Okabe and Ito's, which colour-blind people can distinguish, a
/// little lighter in dark mode; dashes and marker shapes distinguish the groups too.
enum ReportStyle {
  static let text = """
    :root {
      --page: #f6f7f9; --card: #ffffff; --ink: #1b1f24; --soft: #57606a; --line: #d5dae0; --grid: #e8ebef;
      --mark: #fff4d6; --shadow: 0 1px 2px rgba(20, 30, 40, .06);
      --g0: #0072b2; --g1: #d55e00; --g2: #007f5c; --g3: #b14f8a; --g4: #a87400; --g5: #2f9bd8; --g6: #5b4bb0; --g7: #555555;
    }
    @media (prefers-color-scheme: dark) {
      :root {
        --page: #0e1116; --card: #171b22; --ink: #e7ebf0; --soft: #9aa4b1; --line: #343b46; --grid: #252b34;
        --mark: #3a3216; --shadow: none;
        --g0: #5ab4f0; --g1: #ff8f4a; --g2: #35c79a; --g3: #ee9fd0; --g4: #f0c04a; --g5: #9ad6ff; --g6: #b3a6ff; --g7: #b8bec6;
      }
    }
    * { box-sizing: border-box; }
    body { margin: 0; background: var(--page); color: var(--ink); font: 15px/1.45 system-ui, "Segoe UI", Roboto,
      "Helvetica Neue", "DejaVu Sans", sans-serif; font-variant-numeric: tabular-nums; }
    header, main, footer { max-width: 1240px; margin: 0 auto; padding: 0 24px; }
    header { padding-top: 28px; }
    h1 { font-size: 26px; line-height: 1.2; margin: 0; overflow-wrap: anywhere; }
    h2 { font-size: 17px; margin: 30px 0 10px; }
    h3 { font-size: 14px; margin: 0 0 2px; font-weight: 600; }
    p { margin: 4px 0; color: var(--soft); }
    footer { padding-top: 18px; padding-bottom: 32px; color: var(--soft); font-size: 13px; }
    nav { position: sticky; top: 0; z-index: 2; background: var(--page); max-width: 1240px; margin: 0 auto;
      padding: 10px 24px; display: flex; flex-wrap: wrap; gap: 6px; border-bottom: 1px solid var(--line); }
    button { font: inherit; font-size: 13px; color: var(--ink); background: var(--card); border: 1px solid var(--line);
      border-radius: 999px; padding: 3px 11px; cursor: pointer; display: inline-flex; align-items: center; gap: 7px; }
    button[aria-pressed=false] { opacity: .45; }
    button.choice[aria-pressed=true] { border-color: var(--ink); }
    button.choice { opacity: 1; }
    button:focus-visible, svg:focus-visible { outline: 2px solid var(--g0); outline-offset: 2px; }
    .card { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 14px 16px; margin: 0;
      box-shadow: var(--shadow); min-width: 0; }
    .grid { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 480px), 1fr)); gap: 14px; }
    .pair { display: grid; grid-template-columns: minmax(0, 11fr) minmax(0, 9fr); gap: 14px; align-items: start; }
    @media (max-width: 900px) { .pair { grid-template-columns: minmax(0, 1fr); } }
    .scroll { overflow-x: auto; }
    .row { display: flex; flex-wrap: wrap; gap: 6px; margin: 0 0 10px; }
    .switch { display: inline-flex; gap: 7px; align-items: center; margin-bottom: 8px; color: var(--soft); }
    svg { display: block; width: 100%; overflow: visible; }
    svg text { fill: var(--soft); font-size: 12px; font-family: inherit; }
    svg text.strong { fill: var(--ink); font-weight: 600; }
    svg .axis { stroke: var(--line); } svg .gridline { stroke: var(--grid); }
    svg .rule { stroke: var(--soft); stroke-dasharray: 3 3; }
    table { border-collapse: collapse; font-size: 13.5px; width: 100%; }
    th { text-align: left; font-weight: 600; color: var(--soft); }
    th, td { padding: 5px 12px 5px 0; border-bottom: 1px solid var(--grid); vertical-align: top; white-space: nowrap; }
    td.number, th.number { text-align: right; }
    td.wrap { white-space: normal; overflow-wrap: anywhere; min-width: 120px; max-width: 340px; }
    tr.differs td { background: var(--mark); }
    tr:last-child td { border-bottom: 0; }
    .swatch { width: 18px; height: 10px; flex: none; }
    .status-completed { color: var(--g2); } .status-failed, .status-interrupted { color: var(--g1); }
    .status-running { color: var(--g0); }
    #tip { position: fixed; z-index: 5; pointer-events: none; background: var(--card); color: var(--ink);
      border: 1px solid var(--line); border-radius: 8px; padding: 8px 11px; font-size: 13px; max-width: 420px;
      box-shadow: 0 6px 20px rgba(0, 0, 0, .22); }
    #tip[hidden] { display: none; }
    #tip b { display: block; margin-bottom: 3px; }
    #tip div { display: flex; align-items: center; gap: 8px; }
    #tip div span:last-child { margin-left: auto; padding-left: 14px; font-weight: 600; }
    @media print { nav { position: static; } .card { break-inside: avoid; } }
    """
}

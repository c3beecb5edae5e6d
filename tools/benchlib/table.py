"""What the runs of a case come to, and the rows that show it."""
import statistics

# A figure's unit: how much of it has which name.
UNITS = {
    "ns": (("s", 1e9), ("ms", 1e6), ("µs", 1e3), ("ns", 1)),
    "bytes": (("MB", 1e6), ("kB", 1e3), ("bytes", 1)),
    "percent": (("%", 1),),
    "times": (("", 1),),
}


def measure(case, wanted, rounds):
    """For each of the case's titles {variant: [its figure in each round]}, after one round that does not count."""
    figures = [{name: [] for name in wanted} for _ in case.titles]
    order = list(wanted)
    if case.prepare:
        case.prepare()
    for round_number in range(rounds + 1):
        for name in order:
            taken = case.run(wanted[name])
            if round_number:
                for figure, value in zip(figures, taken, strict=True):
                    figure[name].append(value)
        order = order[1:] + order[:1]
    return figures


def summarize(figure, base):
    result = {}
    for name, values in figure.items():
        ratios = [value / plain for value, plain in zip(values, figure[base])]
        quartiles = statistics.quantiles(ratios, n=4, method="inclusive") if len(ratios) > 1 else [ratios[0]] * 3
        result[name] = {
            "median": statistics.median(values),
            "ratio": statistics.median(ratios),
            "ratio_quartiles": [quartiles[0], quartiles[2]],
            "ratio_worst": max(ratios),
            "runs": values,
        }
    return result


def human(value, unit):
    name, size = next(((name, size) for name, size in UNITS[unit] if value >= size), UNITS[unit][-1])
    return f"{value / size:.3g} {name}"


def row(title, case, unit, summary):
    base, *others = summary.values()
    cells = [human(base["median"], unit)]
    for s in others:
        if case.as_is:
            middle, least, most = (human(value, unit) for value in (s["median"], min(s["runs"]), max(s["runs"])))
            cells.append(f"{middle} ({least}–{most})")
            continue
        worst = f", worst {s['ratio_worst']:.2f}" if case.with_worst else ""
        cells.append(f"{s['ratio']:.2f} ({s['ratio_quartiles'][0]:.2f}–{s['ratio_quartiles'][1]:.2f}{worst})")
    return "| " + " | ".join([title] + cells) + " |"


def report(case, wanted, rounds):
    """Measures a case and prints its rows; its figures."""
    figures = []
    units = [case.unit] * len(case.titles) if isinstance(case.unit, str) else case.unit
    for title, unit, figure in zip(case.titles, units, measure(case, wanted, rounds)):
        summary = summarize(figure, next(iter(wanted)))
        print(row(title, case, unit, summary), flush=True)
        figures.append({"title": title, "unit": unit, "variants": summary})
    return figures

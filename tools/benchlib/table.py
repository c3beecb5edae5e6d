"""What the runs of a case come to, and the rows that show it."""
import statistics

# A figure's unit: how much of it has which name.
UNITS = {
    "ns": (("s", 1e9), ("ms", 1e6), ("µs", 1e3), ("ns", 1)),
    "bytes": (("MB", 1e6), ("kB", 1e3), ("bytes", 1)),
    "percent": (("%", 1),),
    "times": (("", 1),),
    "count": (("", 1),),
}


def measure(case, wanted, rounds):
    """For each of the case's rows {variant: [its figure in each round]}, after one round that does not count."""
    figures = [{name: [] for name in wanted} for _ in case.rows]
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


def ratios_of(values, base):
    return [value / first for value, first in zip(values, base) if value is not None and first]


def quartiles_of(values):
    return statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else [values[0]] * 3


def summarize(figure, base):
    """Of each variant; a run may have had no such figure. `base` is what the others are compared to."""
    result = {}
    for name, values in figure.items():
        known, ratios = [value for value in values if value is not None], ratios_of(values, base)
        quartiles = quartiles_of(ratios) if ratios else None
        result[name] = {
            "median": statistics.median(known) if known else None,
            "ratio": quartiles and quartiles[1],
            "ratio_quartiles": quartiles and [quartiles[0], quartiles[2]],
            "ratio_worst": max(ratios, default=None),
            "runs": values,
        }
    return result


def human(value, unit):
    if unit == "count":
        return f"{value:,.0f}"
    name, size = next(((name, size) for name, size in UNITS[unit] if value >= size), UNITS[unit][-1])
    return f"{value / size:.3g} {name}".rstrip()


def cell(summary, row, with_worst):
    if summary["median"] is None:
        return "–"
    if row.as_is:
        known = [value for value in summary["runs"] if value is not None]
        middle, least, most = (human(value, row.unit) for value in (summary["median"], min(known), max(known)))
        return f"{middle} ({least}–{most})"
    worst = f", worst {summary['ratio_worst']:.2f}" if with_worst else ""
    return f"{summary['ratio']:.2f} ({summary['ratio_quartiles'][0]:.2f}–{summary['ratio_quartiles'][1]:.2f}{worst})"


def line(row, summary, with_worst):
    base, *others = summary.values()
    cells = [row.title, "–" if base["median"] is None else human(base["median"], row.unit)]
    return "| " + " | ".join(cells + [cell(other, row, with_worst) for other in others]) + " |"


def report(case, wanted, rounds):
    """Measures a case and prints its rows; its figures."""
    result, first = [], next(iter(wanted))
    figures = measure(case, wanted, rounds)
    for row, figure in zip(case.rows, figures):
        base = figures[row.over] if row.over is not None else figure
        summary = summarize(figure, base[first])
        if all(variant["median"] is None for variant in summary.values()):
            continue  # its programs do not say
        print(line(row, summary, case.with_worst), flush=True)
        result.append({"title": row.title, "unit": row.unit, "variants": summary})
    return result

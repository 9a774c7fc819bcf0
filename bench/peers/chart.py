"""A chart of ratios as SVG: one bar a piece of work, a tick at its goal."""

from html import escape

ROW, LEFT, WIDTH = 26, 170, 420


def chart(path, title, results):
    """results: dictionaries with work, ratio, goal."""
    most = max([2.0] + [max(r["ratio"], r["goal"]) for r in results]) * 1.05
    height = ROW * (len(results) + 2)
    out = ['<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" '
           'font-family="sans-serif" font-size="13">' % (LEFT + WIDTH + 90, height),
           '<rect width="100%" height="100%" fill="white"/>',
           '<text x="8" y="18">%s</text>' % escape(title)]
    one = LEFT + WIDTH / most
    for i, r in enumerate(results):
        y = ROW * (i + 1) + 6
        bar, goal = WIDTH * r["ratio"] / most, LEFT + WIDTH * r["goal"] / most
        fill = "#3a7d44" if r["ratio"] >= r["goal"] else "#c8842c"
        out += ['<text x="8" y="%d">%s</text>' % (y + 14, escape(r["work"])),
                '<rect x="%d" y="%d" width="%.1f" height="18" fill="%s"/>'
                % (LEFT, y, bar, fill),
                '<rect x="%.1f" y="%d" width="2" height="22" fill="black"/>'
                % (goal, y - 2),
                '<text x="%.1f" y="%d">%.2f</text>'
                % (max(LEFT + bar, goal) + 6, y + 14, r["ratio"])]
    out += ['<line x1="%.1f" x2="%.1f" y1="%d" y2="%d" stroke="gray" '
            'stroke-dasharray="3"/>' % (one, one, ROW, height - ROW),
            '<text x="8" y="%d" fill="gray">dashed: as fast as the peer; black: the goal'
            '</text>' % (height - 8), '</svg>']
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(out) + "\n")

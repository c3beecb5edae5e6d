/* unirun list: the reasons, settings and symbols that this version has, for readers and for the manual's tables. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "tools/unirun/arguments.h"
#include "tools/unirun/command.h"
#include "tools/unirun/rows.h"

enum { COLUMNS = 5 };

/* A table: a heading for each column up to NULL, and a row for each call of `row`, which fills `cells` with text that
 * stays valid until the next one. */
struct table {
    const char *name;
    const char *heading[COLUMNS];
    bool (*row)(size_t i, const char *cells[COLUMNS]);
};

static size_t columns(const struct table *table)
{
    size_t count = 0;
    while (count < COLUMNS && table->heading[count])
        count++;
    return count;
}

/* ---- rows ---- */

static bool reason_row(size_t i, const char *cells[COLUMNS])
{
    static const char *const scopes[] = {"call", "process", "program"};
    if (i + 1 >= REASONS)
        return false;
    const struct reason_text *reason = reason_text((enum reason)(i + 1));
    cells[0] = reason->code;
    cells[1] = scopes[reason->scope];
    cells[2] = reason->why;
    cells[3] = reason->remedy;
    return true;
}

static bool setting_row(size_t i, const char *cells[COLUMNS])
{
    const struct config_setting *setting = config_setting(i);
    if (!setting)
        return false;
    cells[0] = setting->name;
    cells[1] = setting->accepted;
    cells[2] = *setting->fallback ? setting->fallback : "none";
    cells[3] = setting->help;
    return true;
}

static const char *join_versions(const struct row *row)
{
    static char text[256];
    size_t length = 0;
    text[0] = 0;
    for (const char *const *version = row->versions; version && *version; version++) {
        int added =
            snprintf(text + length, sizeof text - length, "%s%s", length ? " " : "", *version + strspn(*version, "@"));
        if (added < 0 || (length += (size_t)added) >= sizeof text)
            break;
    }
    return text;
}

static bool symbol_row(size_t i, const char *cells[COLUMNS])
{
    const struct row *row = row_at(i);
    if (!row)
        return false;
    const char *family = row->family ? row->family : family_of(row->provider, row->name);
    cells[0] = row->name;
    cells[1] = family ? family : "";
    cells[2] = row->disposition == DISPOSITION_SKIP ? "left to libc" : row->managed ? "managed" : "forwarded";
    cells[3] = row->reason ? row->reason : join_versions(row);
    return true;
}

static const struct table tables[] = {
    {"reasons", {"code", "scope", "why", "remedy"}, reason_row},
    {"settings", {"name", "accepted", "default", "help"}, setting_row},
    {"symbols", {"name", "family", "route", "detail"}, symbol_row},
};

/* ---- formats ---- */

static void print_text(const struct table *table)
{
    const char *cells[COLUMNS];
    for (size_t i = 0; table->row(i, cells); i++) {
        printf("%s", cells[0]);
        for (size_t column = 1; column < columns(table); column++)
            printf("\t%s", cells[column]);
        putchar('\n');
    }
}

static void print_json(const struct table *table)
{
    const char *cells[COLUMNS];
    json_t *list = json_array();
    for (size_t i = 0; table->row(i, cells); i++) {
        json_t *object = json_object();
        for (size_t column = 0; column < columns(table); column++)
            json_object_set_new(object, table->heading[column], json_string(cells[column]));
        json_array_append_new(list, object);
    }
    json_dumpf(list, stdout, JSON_INDENT(1) | JSON_PRESERVE_ORDER);
    putchar('\n');
    json_decref(list);
}

static void put_markdown(const char *text)
{
    for (; *text; text++) {
        if (*text == '|' || *text == '*' || *text == '<')
            putchar('\\');
        putchar(*text);
    }
}

static void print_markdown(const struct table *table)
{
    const char *cells[COLUMNS];
    for (size_t column = 0; column < columns(table); column++)
        printf("| %s ", table->heading[column]);
    printf("|\n");
    for (size_t column = 0; column < columns(table); column++)
        printf("| --- ");
    printf("|\n");
    for (size_t i = 0; table->row(i, cells); i++) {
        printf("| `%s` ", cells[0]);
        for (size_t column = 1; column < columns(table); column++) {
            printf("| ");
            put_markdown(cells[column]);
            putchar(' ');
        }
        printf("|\n");
    }
}

/* A backslash starts a request of roff, a bare hyphen is typographic, and a line may not begin with a dot or quote. */
static void put_roff(const char *text, bool is_code)
{
    if (*text == '.' || *text == '\'')
        printf("\\&");
    for (; *text; text++) {
        if (*text == '\\')
            printf("\\e");
        else if (*text == '-' && is_code)
            printf("\\-");
        else
            putchar(*text);
    }
}

static void put_roff_sentence(const char *text)
{
    put_roff(text, false);
    printf("%s\n", *text && text[strlen(text) - 1] == '.' ? "" : ".");
}

/* A term with its text: what a manual page has instead of wide tables. */
static void print_roff(const struct table *table)
{
    const char *cells[COLUMNS];
    for (size_t i = 0; table->row(i, cells); i++) {
        printf(".TP\n.B ");
        put_roff(cells[0], true);
        putchar('\n');
        if (table->row == setting_row) {
            put_roff_sentence(cells[3]);
            printf("Accepted: ");
            put_roff(cells[1], true);
            printf("; default: ");
            put_roff(cells[2], true);
            printf(".\n");
        } else if (table->row == reason_row) {
            printf("(%s) ", cells[1]);
            put_roff_sentence(cells[2]);
            put_roff_sentence(cells[3]);
        } else {
            printf("%s: ", cells[2]);
            put_roff(cells[3], false);
            putchar('\n');
        }
    }
}

/* ---- the command ---- */

enum { KEY_ROFF = KEY_FIRST, KEY_MARKDOWN };

static const struct argp_option options[] = {
    ARGUMENTS_JSON,
    {"roff", KEY_ROFF, NULL, 0, "write the source of a manual page", 0},
    {"markdown", KEY_MARKDOWN, NULL, 0, "write a table in Markdown", 0},
    ARGUMENTS_HELP,
    {0},
};

static const struct argp argp = {
    .options = options,
    .args_doc = "reasons|settings|symbols",
    .doc = "Lists what this version knows, one a line.",
};

static void print_wanted(const struct table *table)
{
    void (*print)(const struct table *table) = print_text;
    for (size_t i = 0; arguments_at(i); i++) {
        int key = arguments_at(i)->key;
        print = key == KEY_JSON ? print_json : key == KEY_ROFF ? print_roff : print_markdown;
    }
    print(table);
}

static const struct table *find_table(const char *name)
{
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
        if (name && !strcmp(tables[i].name, name))
            return &tables[i];
    fail(EXIT_USAGE, "say which list: reasons, settings or symbols");
}

int command_list(int argc, char **argv)
{
    char **rest = arguments_parse(&argp, argc, argv);
    const struct table *table = find_table(*rest);
    /* The format may stand on either side of the list's name. */
    rest = arguments_parse(&argp, argc - (int)(rest - argv), rest);
    if (*rest)
        arguments_refuse(*rest, "is one argument too many");
    print_wanted(table);
    return fflush(stdout) ? EXIT_PROBLEM : EXIT_FINE;
}

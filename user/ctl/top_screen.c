/* SPDX-License-Identifier: BSD-2-Clause */
#include "ctl/top_screen.h"

#include <curses.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

/* Milliseconds after which Esc is a key, and not the beginning of a sequence. */
#define ESCAPE_MS 50

/* A larger size is an error. */
#define MAX_DIMENSION 1000

#define MAX_SEQUENCE  64

static const int crashes[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL};

static SCREEN *terminal;
static struct termios saved;
/* The sequences that restore the normal screen, the cursor and the colours. */
static char restore[3 * MAX_SEQUENCE];

static void add_sequence(const char *capability)
{
	char name[16];
	const char *sequence;

	snprintf(name, sizeof(name), "%s", capability);
	sequence = tigetstr(name);
	if (sequence && sequence != (char *)-1 && strlen(sequence) < MAX_SEQUENCE)
		strcat(restore, sequence);
}

/* Only system calls: this runs after a crash. */
static void restore_and_crash(int number)
{
	tcsetattr(STDIN_FILENO, TCSANOW, &saved);
	if (write(STDOUT_FILENO, restore, strlen(restore)) < 0)
		_exit(128 + number);
	raise(number); /* SA_RESETHAND: the default action now */
}

static void prepare_for_crashes(void)
{
	struct sigaction action = {.sa_handler = restore_and_crash, .sa_flags = SA_RESETHAND};

	restore[0] = '\0';
	add_sequence("sgr0");
	add_sequence("cnorm");
	add_sequence("rmcup");
	for (size_t i = 0; i < sizeof(crashes) / sizeof(crashes[0]); i++)
		sigaction(crashes[i], &action, NULL);
}

static void open_colours(void)
{
	start_color();
	use_default_colors();
	init_pair(COLOUR_GOOD, COLOR_GREEN, -1);
	init_pair(COLOUR_WARN, COLOR_YELLOW, -1);
	init_pair(COLOUR_BAD, COLOR_RED, -1);
}

int top_screen_open(bool colour)
{
	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO) || tcgetattr(STDIN_FILENO, &saved))
		return -ENOTTY;
	/* Not initscr(), which would exit on an error. */
	terminal = newterm(NULL, stdout, stdin);
	if (!terminal)
		return -ENOTTY;
	prepare_for_crashes();
	set_escdelay(ESCAPE_MS);
	cbreak();
	noecho();
	nonl();
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	curs_set(0);
	if (colour && has_colors())
		open_colours();
	return 0;
}

void top_screen_close(void)
{
	if (!terminal)
		return;
	for (size_t i = 0; i < sizeof(crashes) / sizeof(crashes[0]); i++)
		signal(crashes[i], SIG_DFL);
	endwin();
	delscreen(terminal);
	terminal = NULL;
	tcsetattr(STDIN_FILENO, TCSANOW, &saved);
}

void top_screen_size(unsigned int *rows, unsigned int *columns)
{
	struct winsize size = {0};

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row && size.ws_col &&
	    size.ws_row <= MAX_DIMENSION && size.ws_col <= MAX_DIMENSION &&
	    (size.ws_row != LINES || size.ws_col != COLS)) {
		resizeterm(size.ws_row, size.ws_col);
		clearok(stdscr, TRUE);
	}
	*rows = (unsigned int)LINES;
	*columns = (unsigned int)COLS;
}

static attr_t attribute(const struct top_line *line)
{
	attr_t attributes = line->selected ? A_REVERSE : A_NORMAL;

	switch (line->colour) {
	case COLOUR_GOOD:
	case COLOUR_WARN:
	case COLOUR_BAD:
		return attributes | (has_colors() ? (attr_t)COLOR_PAIR(line->colour) : A_NORMAL);
	case COLOUR_DIM:
		return attributes | A_DIM;
	case COLOUR_HEADING:
		return attributes | A_BOLD;
	default:
		return attributes;
	}
}

void top_screen_draw(const struct top_frame *frame)
{
	erase();
	for (size_t i = 0; i < frame->count && i < (size_t)LINES; i++) {
		attrset(attribute(&frame->lines[i]));
		mvaddstr((int)i, 0, frame->lines[i].text);
	}
	attrset(A_NORMAL);
	refresh();
}

int top_screen_key(void)
{
	static const struct {
		int ours;
		int theirs;
	} keys[] = {
		{TOP_KEY_UP, KEY_UP},
		{TOP_KEY_DOWN, KEY_DOWN},
		{TOP_KEY_PAGE_UP, KEY_PPAGE},
		{TOP_KEY_PAGE_DOWN, KEY_NPAGE},
		{TOP_KEY_HOME, KEY_HOME},
		{TOP_KEY_END, KEY_END},
		{TOP_KEY_ENTER, KEY_ENTER},
		{TOP_KEY_ENTER, '\r'},
		{TOP_KEY_ENTER, '\n'},
		{TOP_KEY_ESCAPE, '\033'},
		{TOP_KEY_BACKSPACE, KEY_BACKSPACE},
		{TOP_KEY_BACKSPACE, '\b'},
		{TOP_KEY_BACKSPACE, '\177'},
	};
	int key = getch();

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (key == keys[i].theirs)
			return keys[i].ours;
	}
	if (key == ERR)
		return -1;
	return key < 0x80 ? key : 0; /* 0: a key without a meaning here */
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Running the covbuf command in the fuzzer's own process, again and again, and looking at what it says. */
#ifndef TESTS_FUZZ_COMMANDS_H
#define TESTS_FUZZ_COMMANDS_H

/* Once. Standard output is caught from here on. */
void commands_init(void);

/* covbuf NAME ARGUMENT...; the last is NULL. Returns the exit status. What is said is in words, in lines. */
int covbuf(const char *name, ...) __attribute__((sentinel));

/* What it wrote is to be JSON, not text: brackets and quotes match. */
void check_json(void);

/* Forget all texts that were interned. */
void commands_forget(void);

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Staleness: a section that was started before a disable, or a reset, is never delivered into a later
 * enable. What is modelled: core/owner.c, core/remote.c, core/handoff.c and the readers' test. The owner's
 * sequence is odd while it is enabled and never goes back; a section keeps the value it started with;
 * reset raises it by two. The reader takes what is of this enable, or, once it is disabled, of the last
 * one; all else is stale.
 *
 * An enable is known to the model by its number, which stands for what a user means by "this enable":
 * the reader remembers the number of enables it was told to collect for.
 *
 * BROKEN=0 holds. These must fail:
 *   1 sections keep no sequence: the reader takes what it finds
 *   2 reset does not raise the sequence
 *   3 only the stop compares, not the reader: a section that compared before the disable is pushed after it
 *   4 the sequence is even and odd only, it goes back to 1
 */
#ifndef BROKEN
#define BROKEN 0
#endif
#ifndef SECTIONS
#define SECTIONS 2
#endif
#ifndef ENABLES
#define ENABLES 3
#endif

byte sequence;			/* the owner's */
byte enables;			/* ghost: periods so far; an enable and a reset each begin one */
byte queued[SECTIONS];		/* 0: not on the queue; else the area's sequence + 1 */
byte period[SECTIONS];		/* ghost: that the section was started in */
byte over;

proctype section(byte me) {
	byte seen, mine;
	/* start: what is enabled now */
	if
	:: atomic { (sequence & 1) == 1 -> seen = sequence; mine = enables }
	   /* stop */
	   if
	   :: sequence == seen || BROKEN == 1 || BROKEN == 4 -> atomic { period[me] = mine; queued[me] = seen + 1 }
	   :: sequence != seen -> skip
	   fi
	:: over -> skip
	fi
}

/* The reader: what it accepts, and whether that is what its user means. */
inline collect() {
	i = 0;
	do
	:: i < SECTIONS -> atomic {
		if
		:: queued[i] != 0 ->
			if
			:: BROKEN == 1 || BROKEN == 3 || queued[i] - 1 == sequence || queued[i] == sequence -> assert(period[i] == enables)
			:: else /* stale: counted */
			fi;
			queued[i] = 0
		:: else
		fi;
		i++ }
	:: else -> break
	od
}

/* The owner's thread: enable, reset, disable, and collect at any time between. */
proctype user() {
	byte i;
	do
	:: enables < ENABLES && (sequence & 1) == 0 ->
#if BROKEN == 4
		atomic { sequence = 1; enables++ }
#else
		atomic { sequence++; enables++ }
#endif
	:: enables < ENABLES && (sequence & 1) == 1 ->
#if BROKEN == 2
		atomic { enables++ }
#else
		atomic { sequence = sequence + 2; enables++ }
#endif
	:: (sequence & 1) == 1 ->
#if BROKEN == 4
		sequence = 0
#else
		sequence++
#endif
	:: collect()
	:: enables == ENABLES && (sequence & 1) == 0 -> break
	od;
	over = 1
}

init {
	byte i;
	atomic {
		do
		:: i < SECTIONS -> run section(i); i++
		:: else -> break
		od;
		run user()
	}
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Two handshakes that must not lose what is queued: the merge flag (core/merge.c) and the consumer that
 * sleeps (core/handoff.c, shm/wait.c). Store buffers are modelled, since what is at stake is a store that
 * is passed by a load: each process has a buffer of one store, which drains when it likes, at a full
 * fence, and at an atomic operation. merge-stranded and wake in tests/litmus show the same to herd7.
 *
 * MERGE: pushers push, then test the flag; whoever finds it clear sets it, merges, clears it, and looks at
 * the queue again. At the end the queue is empty and nobody merged beside another.
 * SLEEP: pushers push, then test whether somebody waits; the consumer says that it waits, looks at the
 * queue and the wake word, and sleeps while the wake word is what it was. At the end it has everything.
 *
 * BROKEN=0 holds. These must fail:
 *   1 no look at the queue after the flag was cleared (MERGE)
 *   2 no fence between clearing the flag and the look (MERGE)
 *   3 no fence between saying that it waits and looking at the queue (SLEEP)
 *   4 the wake word is read after the queue was looked at (SLEEP)
 *   5 the flag is set by a store, not by a compare-and-swap (MERGE)
 * The fence of the pusher is the push itself in this model: the compare-and-swap drains its buffer. On
 * POWER it does not; there the fence is needed, and the litmus tests say so.
 */
#ifndef BROKEN
#define BROKEN 0
#endif
#ifndef PUSHERS
#define PUSHERS 2
#endif

byte queue;		/* areas on it */
byte flag, waiting, wake;
byte merged, mergers, finished;
bool buffered[PUSHERS + 1]; /* a store of 0 to the flag, or of 1 to waiting, that nobody sees yet */

#ifdef MERGE
#define DRAIN(p) if :: buffered[p] -> flag = 0; buffered[p] = 0 :: else fi

proctype pusher(byte me) {
	byte n;
	atomic { queue++ }
	do
	:: atomic { flag != 0 -> break }
	:: flag == 0 ->
#if BROKEN == 5
		flag = 1;
#else
		if
		:: atomic { flag == 0 -> flag = 1 }
		:: atomic { flag != 0 -> break }
		fi;
#endif
		atomic { mergers++; assert(mergers == 1); n = queue; queue = 0 }
		atomic { merged = merged + n; mergers--; n = 0 }
		buffered[me] = 1; /* flag = 0, release */
#if BROKEN == 1
		break
#else
#if BROKEN != 2
		atomic { DRAIN(me) }
#endif
		if
		:: queue == 0 -> break
		:: queue != 0 -> skip
		fi;
		atomic { DRAIN(me) } /* its own store is seen by its own load */
#endif
	od;
	finished++
}

proctype buffer(byte me) {
	do
	:: atomic { buffered[me] -> DRAIN(me) }
	:: atomic { finished == PUSHERS && !buffered[me] -> break }
	od
}

init {
	byte i;
	atomic {
		do
		:: i < PUSHERS -> run pusher(i); run buffer(i); i++
		:: else -> break
		od
	}
	atomic { finished == PUSHERS -> assert(queue == 0 && merged == PUSHERS) }
}
#else
proctype pusher() {
	atomic { queue++ }
	/* full fence */
	if
	:: waiting != 0 -> atomic { wake++ } /* and the system call, which wakes who sleeps on another value */
	:: waiting == 0 -> skip
	fi;
	finished++
}

proctype consumer() {
	byte seen;
	do
	:: merged == PUSHERS -> break
	:: merged != PUSHERS ->
		buffered[0] = 1; /* waiting = 1 */
#if BROKEN != 3
		atomic { waiting = 1; buffered[0] = 0 }
#endif
#if BROKEN != 4
		seen = wake;
#endif
		if
		:: queue == 0 ->
#if BROKEN == 4
			seen = wake;
#endif
			atomic { waiting = 1; buffered[0] = 0 } /* the system call drains the buffer */
			wake != seen	/* sleeps until it is another: never is an invalid end state */
		:: queue != 0 -> skip
		fi;
		atomic { waiting = 0; buffered[0] = 0; seen = 0 }
		atomic { merged = merged + queue; queue = 0 }
	od
}

init {
	byte i;
	atomic {
		run consumer();
		do
		:: i < PUSHERS -> run pusher(); i++
		:: else -> break
		od
	}
}
#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Baselines and differences of the process's profiles: see <covbuf/profile.h>.
 *
 * A baseline has an entry for each image that is open: the image's counters and bitmaps as they were. Images come
 * and go; where libcovbuf is what their runtimes find, they tell (covbuf_profile_image_closed(), _opened()), and
 * an image that goes leaves what it had gained as a part of the next difference.
 *
 * One lock for all of it. Order: dlopen()'s lock, as the runtimes come from there; this lock;
 * dl_iterate_phdr()'s.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "../../shm/shm.h"
#include "points.h"

/* An image as a baseline knows it. */
struct entry {
	struct entry *next;
	struct covbuf_profile_image *image;
	uint64_t mark;			/* of the load; another one may be at the same address later */
	struct covb_profile_about *about;
	bool is_open;			/* seen by this difference */
	struct covb_profile_counts counters; /* as they were, and so are these: */
	uint64_t *bitmaps;
};

struct covbuf_profile_base {
	struct covbuf_profile_base *next;
	unsigned int flags;
	uint64_t life;
	struct entry *entries, **end;	/* in the order of dl_iterate_phdr() */
	struct entry *expected;		/* the one after the last that was found */
	struct covb_profile_parts parts; /* found, and not yet in a difference */
};

static struct covbuf_profile_base *bases;
static uint64_t last_mark;
static uint64_t life; /* another one in each fork child */

/* Baselines stay with those who have them; they are of another life. */
static void in_child(void)
{
	life++;
	bases = NULL;
	covb_profile_forget_all();
	covb_profile_unlock();
}

static void follow_forks(void)
{
	pthread_atfork(covb_profile_lock, covb_profile_unlock, in_child);
}

/* ---- entries --------------------------------------------------------------------------------- */

static void free_entry(struct entry *entry)
{
	if (!entry)
		return;
	covb_profile_counts_fini(&entry->counters);
	free(entry->bitmaps);
	free(entry);
}

static bool is_of(const struct entry *entry, const struct covbuf_profile_image *image)
{
	return entry && entry->image == image && entry->mark == image->mark;
}

static struct entry *find_entry(struct covbuf_profile_base *base, const struct covbuf_profile_image *image)
{
	struct entry *entry = base->expected;

	if (!is_of(entry, image))
		for (entry = base->entries; entry && !is_of(entry, image); entry = entry->next)
			;
	base->expected = entry ? entry->next : NULL;
	return entry;
}

/* An entry of zeros. */
static struct entry *make_entry(struct covbuf_profile_image *image)
{
	struct entry *entry = calloc(1, sizeof(*entry));

	if (!entry)
		return NULL;
	if (!image->mark)
		image->mark = ++last_mark;
	entry->image = image;
	entry->mark = image->mark;
	entry->about = covb_profile_about(image);
	entry->bitmaps = calloc(1, image->bitmaps_bytes + sizeof(uint64_t)); /* the last word may be part of one */
	if (entry->about && entry->bitmaps &&
	    !covb_profile_counts_init(&entry->counters, image->counters_bytes / sizeof(uint64_t)))
		return entry;
	free_entry(entry);
	return NULL;
}

static struct entry *add_entry(struct covbuf_profile_base *base, struct covbuf_profile_image *image)
{
	struct entry *entry = make_entry(image);

	if (entry) {
		*base->end = entry;
		base->end = &entry->next;
	}
	return entry;
}

static void drop_entry(struct covbuf_profile_base *base, struct entry *entry)
{
	struct entry **link = &base->entries;

	base->expected = NULL;
	while (*link != entry)
		link = &(*link)->next;
	*link = entry->next;
	if (!entry->next)
		base->end = link;
	free_entry(entry);
}

/* ---- parts ----------------------------------------------------------------------------------- */

static void init_parts(struct covb_profile_parts *parts)
{
	parts->first = NULL;
	parts->end = &parts->first;
}

static void free_parts(struct covb_profile_parts *parts)
{
	struct covb_profile_part *part, *next;

	for (part = parts->first; part; part = next) {
		next = part->next;
		covb_profile_part_destroy(part);
	}
}

static struct covb_profile_part *make_part(const struct entry *entry)
{
	struct covb_profile_part *part = calloc(1, sizeof(*part));

	if (!part)
		return NULL;
	part->about = entry->about;
	part->is.image = entry->about->note.image;
	part->is.id = entry->about->note.id;
	part->is.counters_bytes = entry->image->counters_bytes;
	part->is.bitmaps_bytes = entry->image->bitmaps_bytes;
	return part;
}

static void give_part(struct covbuf_profile_base *base, struct covb_profile_part *part)
{
	if (covb_profile_part_is_empty(part)) {
		covb_profile_part_destroy(part);
		return;
	}
	*base->parts.end = part;
	base->parts.end = &part->next;
}

/* The bits of an image go to a file, where it has one itself. */
static int keep_bits(const struct entry *entry, struct covbuf_message *why)
{
	return entry->image->mapped && entry->image->bitmaps_bytes ? covb_profile_keep(entry->about, why) : 0;
}

/* What an image has gained since its entry; the entry is as the image is then. */
static int take(struct covbuf_profile_base *base, struct entry *entry, bool clear, struct covbuf_message *why)
{
	struct covb_profile_part *part = make_part(entry);
	int err = 0, err_bits = 0;

	if (!part)
		return -ENOMEM;
	if (clear)
		err = keep_bits(entry, why);
	if (!err) {
		err = covb_profile_take_counters(part, entry->image->counters, &entry->counters);
		err_bits = covb_profile_take_bits(part, entry->image->bitmaps, entry->bitmaps,
						  entry->image->mapped ? entry->about->kept : NULL, clear);
	}
	give_part(base, part);
	return err ? err : err_bits;
}

/* The entry is as the image is; what it gained before is nobody's. */
static int begin_here(struct entry *entry, bool clear, struct covbuf_message *why)
{
	struct covb_profile_part *part;
	int err;

	covb_profile_counts_copy(&entry->counters, entry->image->counters);
	covb_profile_copy_bits(entry->bitmaps, entry->image->bitmaps, entry->image->bitmaps_bytes);
	if (!clear)
		return 0;
	err = keep_bits(entry, why);
	if (err)
		return err;
	part = make_part(entry);
	if (!part)
		return -ENOMEM;
	err = covb_profile_take_bits(part, entry->image->bitmaps, entry->bitmaps,
				     entry->image->mapped ? entry->about->kept : NULL, true);
	covb_profile_part_destroy(part);
	return err;
}

/* ---- baselines ------------------------------------------------------------------------------- */

struct walk {
	struct covbuf_profile_base *base;
	struct covbuf_message *why;
};

static bool clears(const struct covbuf_profile_base *base)
{
	return base->flags & COVBUF_PROFILE_CLEAR_BITMAPS;
}

static int begin_image(struct covbuf_profile_image *image, void *arg)
{
	const struct walk *walk = arg;
	struct entry *entry = add_entry(walk->base, image);

	if (!entry)
		return -ENOMEM;
	return walk->base->flags & COVBUF_PROFILE_FROM_ZERO ? 0 : begin_here(entry, clears(walk->base), walk->why);
}

static int tell(struct covbuf_message *why, int err)
{
	if (err == -ENOMEM)
		return covb_say(why, err, "no memory for the counters of all images");
	if (err == -EPROTO)
		return covb_say(why, err, "an image of this process is linked with another version of covbuf's profile "
				"runtime: link all of them with the one that came with this libcovbuf");
	return err;
}

static void destroy(struct covbuf_profile_base *base)
{
	struct entry *entry, *next;

	for (entry = base->entries; entry; entry = next) {
		next = entry->next;
		free_entry(entry);
	}
	free_parts(&base->parts);
	free(base);
}

static int begin(struct covbuf_profile_base *base, struct covbuf_message *why)
{
	struct walk walk = { base, why };
	int err;

	if (bases && (clears(base) || clears(bases)))
		return covb_say(why, -EBUSY, "a baseline that clears bitmaps is alone in its process: destroy %s first",
				clears(bases) ? "it" : "the others");
	err = covb_profile_images(begin_image, &walk);
	if (err)
		return err;
	base->life = life;
	base->next = bases;
	bases = base;
	return 0;
}

int covbuf_profile_baseline(unsigned int flags, struct covbuf_profile_base **out, struct covbuf_message *why)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct covbuf_profile_base *base;
	int err;

	if (flags & ~(COVBUF_PROFILE_CLEAR_BITMAPS | COVBUF_PROFILE_FROM_ZERO))
		return covb_say(why, -EINVAL, "no such flag of covbuf_profile_baseline(): %#x", flags);
	pthread_once(&once, follow_forks);
	base = calloc(1, sizeof(*base));
	if (!base)
		return tell(why, -ENOMEM);
	base->flags = flags;
	base->end = &base->entries;
	init_parts(&base->parts);
	covb_profile_lock();
	err = begin(base, why);
	covb_profile_unlock();
	if (err) {
		destroy(base);
		return tell(why, err);
	}
	*out = base;
	return 0;
}

void covbuf_profile_baseline_destroy(struct covbuf_profile_base *base)
{
	struct covbuf_profile_base **link;

	if (!base)
		return;
	covb_profile_lock();
	for (link = &bases; *link && *link != base; link = &(*link)->next)
		;
	if (*link)
		*link = base->next;
	covb_profile_unlock();
	destroy(base);
}

/* ---- differences ----------------------------------------------------------------------------- */

static int take_image(struct covbuf_profile_image *image, void *arg)
{
	const struct walk *walk = arg;
	struct entry *entry = find_entry(walk->base, image);

	if (!entry)
		entry = add_entry(walk->base, image);
	if (!entry)
		return -ENOMEM;
	entry->is_open = true;
	return take(walk->base, entry, clears(walk->base), walk->why);
}

/* Of images that went without a word, since their runtime found another libcovbuf, or none. */
static void drop_closed(struct covbuf_profile_base *base)
{
	struct entry *entry, *next;

	for (entry = base->entries; entry; entry = next) {
		next = entry->next;
		if (!entry->is_open)
			drop_entry(base, entry);
	}
}

static int take_all(struct covbuf_profile_base *base, struct covbuf_message *why)
{
	struct walk walk = { base, why };
	int err;

	if (base->life != life)
		return covb_say(why, -ECHILD, "the baseline is of before the fork: take one in the child");
	base->expected = base->entries;
	for (struct entry *entry = base->entries; entry; entry = entry->next)
		entry->is_open = false;
	err = covb_profile_images(take_image, &walk);
	if (!err)
		drop_closed(base);
	return err;
}

static void move_parts(struct covb_profile_parts *to, struct covb_profile_parts *from)
{
	init_parts(to);
	if (!from->first)
		return;
	*to = *from;
	init_parts(from);
}

int covbuf_profile_diff(struct covbuf_profile_base *base, struct covbuf_profile_difference **out,
			struct covbuf_message *why)
{
	struct covbuf_profile_difference *diff = calloc(1, sizeof(*diff));
	int err;

	if (!diff)
		return tell(why, -ENOMEM);
	covb_profile_lock();
	err = take_all(base, why);
	if (!err) {
		move_parts(&diff->parts, &base->parts);
		diff->any = base->entries ? base->entries->about : NULL;
	}
	covb_profile_unlock();
	if (err) {
		free(diff);
		return tell(why, err);
	}
	*out = diff;
	return 0;
}

void covbuf_profile_diff_destroy(struct covbuf_profile_difference *diff)
{
	if (!diff)
		return;
	free_parts(&diff->parts);
	free(diff);
}

const struct covbuf_profile_part *covbuf_profile_diff_part(const struct covbuf_profile_difference *diff, uint32_t i)
{
	const struct covb_profile_part *part = diff->parts.first;

	while (part && i--)
		part = part->next;
	return part ? &part->is : NULL;
}

/* ---- images come and go ---------------------------------------------------------------------- */

/* Its file has counts of an earlier load, which are in a difference already. */
void covbuf_profile_image_opened(struct covbuf_profile_image *image)
{
	struct entry *entry;

	covb_profile_lock();
	for (struct covbuf_profile_base *base = bases; base; base = base->next) {
		entry = find_entry(base, image);
		if (!entry)
			entry = add_entry(base, image);
		if (entry)
			begin_here(entry, clears(base), NULL);
	}
	image->version = COVBUF_PROFILE_VERSION; /* no difference has seen it without its entry */
	covb_profile_unlock();
}

void covbuf_profile_image_closed(struct covbuf_profile_image *image)
{
	struct entry *entry;

	covb_profile_lock();
	for (struct covbuf_profile_base *base = bases; base; base = base->next) {
		entry = find_entry(base, image);
		if (!entry)
			entry = add_entry(base, image);
		if (!entry)
			continue;
		take(base, entry, false, NULL);
		drop_entry(base, entry);
	}
	image->mark = COVB_PROFILE_CLOSED;
	covb_profile_unlock();
}

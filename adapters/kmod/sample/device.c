// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * /dev/covbuf_sample: a module to try coverage on, and to learn from how it is had.
 *
 * sample.h is what it does for programs. What an author adds for coverage is one line in Kbuild, and the
 * sections in deferred.c; nothing here knows of it.
 *
 * Unloading: an open file holds the module, and the last close waits for what was deferred.
 */
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "session.h"

#define WRITE_BYTES 4096 /* of one write, at most */

static int device_open(struct inode *inode, struct file *file)
{
	struct session *session = kzalloc(sizeof(*session), GFP_KERNEL);

	if (!session)
		return -ENOMEM;
	mutex_init(&session->lock);
	sample_deferred_init(session);
	file->private_data = session;
	return nonseekable_open(inode, file);
}

static int device_release(struct inode *inode, struct file *file)
{
	struct session *session = file->private_data;

	sample_deferred_stop(session);
	kfree(session);
	return 0;
}

static ssize_t device_write(struct file *file, const char __user *from, size_t nr_bytes, loff_t *offset)
{
	struct session *session = file->private_data;
	size_t at = 0;
	ssize_t nr = -EMSGSIZE;
	u8 *bytes;

	bytes = memdup_user(from, min_t(size_t, nr_bytes, WRITE_BYTES));
	if (IS_ERR(bytes))
		return PTR_ERR(bytes);
	nr_bytes = min_t(size_t, nr_bytes, WRITE_BYTES);

	mutex_lock(&session->lock);
	do {
		nr = sample_parse(session, bytes + at, nr_bytes - at);
		if (nr > 0)
			at += nr;
	} while (nr > 0 && at < nr_bytes);
	mutex_unlock(&session->lock);

	kfree(bytes);
	return at ?: nr;
}

static long device_ioctl(struct file *file, unsigned int command, unsigned long argument)
{
	struct session *session = file->private_data;
	void __user *user = (void __user *)argument;
	struct sample_defer defer;
	u32 answer;
	int error;

	switch (command) {
	case SAMPLE_ANSWER:
		mutex_lock(&session->lock);
		answer = session->answer;
		mutex_unlock(&session->lock);
		return put_user(answer, (u32 __user *)user);
	case SAMPLE_DEFER:
		if (copy_from_user(&defer, user, sizeof(defer)))
			return -EFAULT;
		if (mutex_lock_killable(&session->lock))
			return -EINTR;
		error = sample_defer(session, defer.where);
		defer = session->result;
		mutex_unlock(&session->lock);
		if (error)
			return error;
		return copy_to_user(user, &defer, sizeof(defer)) ? -EFAULT : 0;
	}
	return -ENOTTY;
}

static const struct file_operations device_operations = {
	.owner = THIS_MODULE,
	.open = device_open,
	.release = device_release,
	.write = device_write,
	.unlocked_ioctl = device_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

static struct miscdevice device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "covbuf_sample",
	.mode = 0600,
	.fops = &device_operations,
};

module_misc_device(device);
MODULE_DESCRIPTION("A device to try coverage on");
MODULE_AUTHOR("libcovbuf");
MODULE_LICENSE("Dual BSD/GPL");

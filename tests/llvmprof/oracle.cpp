// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// A program (-DPROGRAM), a library (-DLIBRARY) and a plugin that is opened three times, with what C++ has to
// offer for the counters of one function to be in all of them: templates and inline functions; and constructors that run
// before main(), and exceptions.
#include <stdexcept>

namespace {
template <class T> T limit(T value, T low, T high)
{
	if (value < low || (value == high && value > 3))
		return low;
	return value > high ? high : value;
}

struct guard {
	int number;
	~guard()
	{
		if (number > 5 && number < 8)
			number = 0;
	}
	int give() const
	{
		if (number > 3)
			throw std::runtime_error("too many");
		return number;
	}
};
} // namespace

template <class T> int odd(T n)
{
	return n % 2 && n != 5;
}

inline int shared(int n)
{
	static int calls;

	return ++calls < 20 && (n > 2 || odd(n)) ? n : -n;
}

#if defined(PROGRAM)
#include <cstdio>
#include <dlfcn.h>

extern "C" int from_library(int n);

int main(int, char **argv)
{
	long sum = 0;

	for (int i = 0; i < 12; i++)
		sum += from_library(i) + limit(i, 2, 5) + shared(i);
	for (int round = 0; round < 3; round++) {
		void *plugin = dlopen(argv[1], RTLD_NOW);
		auto from_plugin = plugin ? reinterpret_cast<int (*)(int)>(dlsym(plugin, "from_plugin")) : nullptr;

		if (!from_plugin)
			return 1;
		for (int i = 0; i < 10 + round; i++)
			sum += from_plugin(i);
		dlclose(plugin);
	}
	auto positive = [&](int n) { return n > 3 && sum > 0; };
	std::printf("%ld\n", sum + positive(2) + positive(5));
}
#elif defined(LIBRARY)
static struct early {
	int sum = 0;
	early()
	{
		for (int i = 0; i < 7; i++)
			sum += shared(i);
	}
} early;

extern "C" int from_library(int n)
{
	try {
		return guard{ n }.give() + limit(n, 0, 4) + early.sum;
	} catch (const std::exception &) {
		return -1;
	}
}
#else
extern "C" int from_plugin(int n)
{
	return static_cast<int>(limit<long>(n, 1, 9)) + shared(n);
}
#endif

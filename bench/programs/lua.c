/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The interpreter: calls, table accesses and a sort, strings and patterns. */
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include "driver.h"

static lua_State *state;

static const char script[] =
	"local function fib(n) if n < 2 then return n end return fib(n - 1) + fib(n - 2) end\n"
	"function slice(seed)\n"
	"	local t, s, n = {}, {}, 0\n"
	"	for i = 1, 150 do t[i] = (i * 7919 + seed) % 1009 end\n"
	"	table.sort(t)\n"
	"	for i = 1, 100 do s[i] = string.format('%d:%s', i + seed, ('x'):rep(i % 7)) end\n"
	"	for digits, letters in table.concat(s, ','):gmatch('(%d+):(x*)') do n = n + #letters end\n"
	"	return fib(14) + n + t[5]\n"
	"end\n";

const uint32_t workload_slices = 64;

void workload_prepare(void)
{
	state = luaL_newstate();
	if (!state)
		driver_fail("luaL_newstate()");
	luaL_openlibs(state);
	if (luaL_dostring(state, script))
		driver_fail("the script");
}

void workload_slice(uint32_t i)
{
	lua_getglobal(state, "slice");
	lua_pushinteger(state, i);
	if (lua_pcall(state, 1, 1, 0))
		driver_fail("the script");
	lua_settop(state, 0);
}

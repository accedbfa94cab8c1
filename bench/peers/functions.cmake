# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# cmake -DOUT=FILE -P functions.cmake: 10,000 functions with decisions and loops.
set(text "")
foreach(i RANGE 9999)
  string(APPEND text "
int function_${i}(int a, int b)
{
	int sum = 0;

	if ((a > ${i} && b) || a == b)
		sum += a;
	for (int i = 0; i < a; i++)
		sum += i ? b : a;
	switch (a) {
	case 1:
		return sum + 2;
	case 2:
		return sum + 3;
	}
	while (b-- > 0)
		sum += b > 7 ? 1 : 2;
	return sum;
}
")
endforeach()
file(WRITE ${OUT} "${text}")

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A pass plugin for clang that leaves of -fprofile-update=atomic what costs nothing: bitmaps (MC/DC) are atomic,
 * counters are not.
 *
 *	clang -fprofile-instr-generate -fcoverage-mapping -fcoverage-mcdc -fprofile-update=atomic
 *	      -fpass-plugin=.../atomic-bitmaps.so
 *
 * A bit is set once, and clang tests it before: the locked instruction runs once. Without it, two threads that set
 * two bits of a byte at the same time lose one of them: a test vector, which may never come again. A counter is
 * written each time: there the locked instruction costs several times the program, and what is lost without it is
 * some of many.
 *
 * The pass runs when clang has just lowered llvm.instrprof.increment to "atomicrmw add" on a global __profc_*: at
 * compile time, also where code is generated at link time, and before anything is inlined or moved. It leaves a
 * load, an addition and a store. They are relaxed atomics, which are the same instructions: so no loop keeps a
 * counter in a register, as clang's plain ones are kept, where a long loop undoes what other threads have counted
 * meanwhile, and a reader sees nothing of it.
 */
#include <llvm/ADT/STLExtras.h>
#include <llvm/Analysis/ValueTracking.h>
#include <llvm/IR/DiagnosticInfo.h>
#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/InstIterator.h>
#include <llvm/IR/Module.h>
#include <llvm/Passes/PassBuilder.h>
#if __has_include(<llvm/Plugins/PassPlugin.h>)
#include <llvm/Plugins/PassPlugin.h> /* from LLVM 22 on */
#else
#include <llvm/Passes/PassPlugin.h>
#endif

using namespace llvm;

namespace {

bool isCounter(const Value *address)
{
	const auto *global = dyn_cast<GlobalVariable>(getUnderlyingObject(address));

	return global && global->getName().starts_with("__profc_");
}

void makePlain(AtomicRMWInst &update)
{
	IRBuilder<> at(&update);
	Value *address = update.getPointerOperand();
	LoadInst *old = at.CreateAlignedLoad(update.getType(), address, update.getAlign());
	StoreInst *sum = at.CreateAlignedStore(at.CreateAdd(old, update.getValOperand()), address, update.getAlign());

	old->setAtomic(AtomicOrdering::Monotonic);
	sum->setAtomic(AtomicOrdering::Monotonic);
	update.replaceAllUsesWith(old);
	update.eraseFromParent();
}

struct AtomicBitmaps : PassInfoMixin<AtomicBitmaps> {
	static bool isRequired() { return true; } /* with -O0, too */

	PreservedAnalyses run(Module &module, ModuleAnalysisManager &)
	{
		bool any = false;

		for (Function &function : module)
			for (Instruction &instruction : make_early_inc_range(instructions(function))) {
				auto *update = dyn_cast<AtomicRMWInst>(&instruction);

				if (update && update->getOperation() == AtomicRMWInst::Add &&
				    isCounter(update->getPointerOperand())) {
					makePlain(*update);
					any = true;
				}
			}
		if (any)
			module.addModuleFlag(Module::Max, done, 1);
		else if (!module.getModuleFlag(done) && any_of(module.globals(), [](auto &g) { return isCounter(&g); }))
			module.getContext().diagnose(
				DiagnosticInfoPGOProfile(module.getName().str().c_str(), advice, DS_Warning));
		return any ? PreservedAnalyses::none() : PreservedAnalyses::all();
	}

private:
	/* A module may come by again: compiled in two steps, or at link time. */
	static constexpr const char *done = "covbuf atomic bitmaps";
	static constexpr const char *advice =
		"atomic-bitmaps.so: no counter is atomic here, so the MC/DC bitmaps may not be either; compile with "
		"-fprofile-update=atomic, and without -runtime-counter-relocation";
};

void registerCallbacks(PassBuilder &builder)
{
	/* auto...: from LLVM 20 on, the phase comes, too. */
	builder.registerPipelineEarlySimplificationEPCallback(
		[](ModulePassManager &passes, auto...) { passes.addPass(AtomicBitmaps()); });
}

} // namespace

extern "C" __attribute__((visibility("default"))) PassPluginLibraryInfo llvmGetPassPluginInfo()
{
	return {LLVM_PLUGIN_API_VERSION, "covbuf atomic bitmaps", LLVM_VERSION_STRING, registerCallbacks};
}

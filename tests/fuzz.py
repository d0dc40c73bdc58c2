"""`make fuzz`: every fuzzer, 20,000 inputs each, or as many as the first argument says.

Networks that are run before and after the passes are half as many. Then every slip of a pass.
"""

from __future__ import annotations

import sys

from tests import fuzz_formats, fuzz_pipeline, fuzz_rewrites, fuzz_text, wrong_passes

if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    fuzz_text.run(count, seed=0)
    fuzz_pipeline.main(count)
    fuzz_formats.main(max(count // 20, 1))
    found = fuzz_rewrites.main(max(count // 2, 1))
    sys.exit(wrong_passes.main() or found)

"""The words that `flawline-mini` knows, its prompts, and the remap of BPE ids to table rows."""

from collections.abc import Iterable, Sequence
from itertools import chain

import torch
from open_clip.tokenizer import SimpleTokenizer
from torch import Tensor

SOT, EOT = 49406, 49407
CONTEXT = 32


def _split(text: str) -> list[str]:
    return text.split()


NORMAL_STATES = (
    "{}",
    "flawless {}",
    "perfect {}",
    "unblemished {}",
    "{} without flaw",
    "{} without defect",
    "{} without damage",
)
ANOMALOUS_STATES = ("damaged {}", "{} with flaw", "{} with defect", "{} with damage")

TEMPLATES = tuple(
    template.format(article=article, state="{}")
    for template in (
        "a cropped photo of {article} {state}.",
        "a close-up photo of {article} {state}.",
        "a bright photo of {article} {state}.",
        "a dark photo of {article} {state}.",
        "a jpeg corrupted photo of {article} {state}.",
        "a blurry photo of {article} {state}.",
        "a photo of {article} {state}.",
        "a photo of {article} small {state}.",
        "a photo of {article} large {state}.",
        "a photo of {article} {state} for visual inspection.",
        "a photo of {article} {state} for anomaly detection.",
    )
    for article in ("a", "the")
)

KIND_STATES: dict[str, tuple[str, ...]] = {
    "scratch": ("scratched {}", "{} with scratch", "{} with a scratch", "worn {}"),
    "crack": ("cracked {}", "{} with crack", "broken {}", "{} with a fracture"),
    "hole": ("{} with hole", "{} with a hole", "punctured {}", "{} with pore"),
    "stain": ("stained {}", "{} with stain", "burnt {}", "discoloured {}", "{} with spot"),
    "dent": ("dented {}", "{} with dent", "bent {}", "deformed {}"),
    "chip": ("chipped {}", "{} with missing part", "{} with chip", "torn {}", "incomplete {}"),
    "rust": ("rusty {}", "{} with rust", "corroded {}", "{} with corrosion"),
    "contamination": ("contaminated {}", "{} with contamination", "dirty {}", "{} with debris"),
}
KINDS = tuple(KIND_STATES)

STATE_WORDS = _split(
    """
    anomaly anomalous normal defective defect defects flaw flaws damage good bad ok clean intact new
    smooth faulty missing part parts burnt burned scorched scratched scratch scratches cracked crack
    cracks dented dent dents stained stain stains rust rusty rusted corroded corrosion chipped chip
    chips hole holes broken contaminated contamination bent torn worn misprint misprinted print
    printed soldering solder soldered bridge leaking leak melt melted squeezed squeeze folded fold
    crease creased wrinkled wrinkle frayed fray uneven blowhole pore porous porosity blister bubble
    foreign object particle particles dust dirt dirty debris oil oily glue paint painted faded
    discoloured discolored discoloration spot spots colour color wrong swapped flipped misplaced
    misaligned rotated loose excess burr burrs gouge pit pitted pitting incomplete fracture
    fractured punctured puncture cut poke thread fiber fibre hair surface edge short shorted split
    peeled peeling delaminated swollen warped deformed crushed empty full open closed cold joint
    tear
    """
)

OBJECT_WORDS = _split(
    """
    object texture item product component piece workpiece sample surface bottle cable capsule carpet
    grid hazelnut leather metal nut pill screw tile toothbrush transistor wood zipper pcb pcb1 pcb2
    pcb3 pcb4 candle candles cashew capsules chewinggum chewing gum fryum macaroni macaroni1
    macaroni2 pipe washer flange gear disc disk cap cookie biscuit magnetic plate part fabric mesh
    belt conveyor ring bolt bearing bracket bar rod tube tubes connector shaft housing lid box
    carton label sticker paper cardboard foil film wafer chip circuit board led lamp bulb lens glass
    ceramic plastic rubber foam sponge concrete stone marble brick asphalt road steel aluminium
    aluminum copper brass iron cast casting weld seam sheet panel rail wheel tyre tire spring clip
    clamp hook pin plug socket switch button key coin cup can jar bag pouch tablet blister food
    bread cake chocolate candy pasta rice bean beans coffee fruit apple orange tomato potato nuts
    almond peanut egg meat fish textile cloth denim wool cotton silk knit weave rope net wire
    hexagon square round rectangular flat thin thick small large long short black white red green
    blue yellow brown grey gray silver golden shiny matte brushed rough industrial machined engine
    motor pump valve nozzle blade knife tool needle syringe vial ampoule battery cell solar fuse
    resistor capacitor relay sensor camera phone keyboard screen display toy brush pen pencil
    bottlecap rivet nail hinge lock handle bushing gasket seal spacer sprocket pulley chain
    """
)

PLAIN_WORDS = _split(
    """
    a an the this that one some of in on with without and or no not for from at by is are has have
    it its image picture photograph photo view close up cropped bright dark blurry jpeg corrupted
    low resolution high quality visual inspection anomaly detection quality control factory . , - '
    ! : ( ) / 0 1 2 3 4 5 6 7 8 9
    """
)


def words() -> list[str]:
    """Every word whose BPE pieces ship with the model, in a fixed order."""
    states = chain(NORMAL_STATES, ANOMALOUS_STATES, *KIND_STATES.values())
    prompts = (text.replace("{}", " ") for text in chain(TEMPLATES, states))
    return [*PLAIN_WORDS, *STATE_WORDS, *OBJECT_WORDS, *prompts]


def build_vocabulary(texts: Iterable[str] | None = None) -> Tensor:
    """Sorted BPE ids of the used rows with SOT and EOT, int32 [V]."""
    tokenizer = SimpleTokenizer()
    ids = {SOT, EOT}
    for text in words() if texts is None else texts:
        ids.update(tokenizer.encode(text))
    return torch.tensor(sorted(ids), dtype=torch.int32)


class Tokens:
    """Prompts to token ids of the small table.

    Args:
        vocabulary: int32 [V], BPE ids in ascending order; row i + 1 belongs to `vocabulary[i]`.
    """

    def __init__(self, vocabulary: Tensor) -> None:
        self._tokenizer = SimpleTokenizer(context_length=CONTEXT)
        self._rows = torch.zeros(EOT + 1, dtype=torch.long)
        self._rows[vocabulary.long()] = torch.arange(1, len(vocabulary) + 1)

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """Token rows int64 [N, 32]; unknown pieces and padding are row 0."""
        return self._rows[self._tokenizer(list(texts))]

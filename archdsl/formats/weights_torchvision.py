"""How torchvision names the weights of networks that ship here as text too."""

from __future__ import annotations

from archdsl.formats.weights import Library, Rules, rules

BASIC = rules("""
    conv1. -> stem.0.
    bn1. -> stem.1.
    layer{i}.{j}.conv1. -> stage{i}.{j}.residual.0.
    layer{i}.{j}.bn1. -> stage{i}.{j}.residual.1.
    layer{i}.{j}.conv2. -> stage{i}.{j}.residual.3.
    layer{i}.{j}.bn2. -> stage{i}.{j}.residual.4.
    layer{i}.{j}.downsample.{k}. -> stage{i}.{j}.shortcut.{k}.
    fc. -> linear.
""")

BOTTLENECKS = BASIC + rules("""
    layer{i}.{j}.conv3. -> stage{i}.{j}.residual.6.
    layer{i}.{j}.bn3. -> stage{i}.{j}.residual.7.
""")

# One sequence holds all: five times one or two convolutions, each with norm and ReLU, and a pool.
VGG11 = rules("""
    features.0. -> stage1.0.
    features.1. -> stage1.1.
    features.4. -> stage2.0.
    features.5. -> stage2.1.
    features.8. -> stage3.0.
    features.9. -> stage3.1.
    features.11. -> stage3.3.
    features.12. -> stage3.4.
    features.15. -> stage4.0.
    features.16. -> stage4.1.
    features.18. -> stage4.3.
    features.19. -> stage4.4.
    features.22. -> stage5.0.
    features.23. -> stage5.1.
    features.25. -> stage5.3.
    features.26. -> stage5.4.
    classifier.0. -> head.2.
    classifier.3. -> head.5.
    classifier.6. -> linear.
""")

DENSENET = rules("""
    features.conv0. -> stem.0.
    features.norm0. -> stem.1.
    features.denseblock1.denselayer{j}.norm1. -> dense1.{j-1}.added.0.
    features.denseblock1.denselayer{j}.conv1. -> dense1.{j-1}.added.2.
    features.denseblock1.denselayer{j}.norm2. -> dense1.{j-1}.added.3.
    features.denseblock1.denselayer{j}.conv2. -> dense1.{j-1}.added.5.
    features.denseblock{i}.denselayer{j}.norm1. -> dense{i}.{j}.added.0.
    features.denseblock{i}.denselayer{j}.conv1. -> dense{i}.{j}.added.2.
    features.denseblock{i}.denselayer{j}.norm2. -> dense{i}.{j}.added.3.
    features.denseblock{i}.denselayer{j}.conv2. -> dense{i}.{j}.added.5.
    features.transition{i}.norm. -> dense{i+1}.0.norm.
    features.transition{i}.conv. -> dense{i+1}.0.conv.
    features.norm5. -> norm.
    classifier. -> linear.
""")

SHUFFLENET = rules("""
    conv1.{k}. -> stem.{k}.
    stage{i}.0.branch1.{k}. -> stage{i-1}.0.left.{k}.
    stage{i}.0.branch2.{k}. -> stage{i-1}.0.right.{k}.
    stage{i}.{j}.branch2.{k}. -> stage{i-1}.{j}.computed.{k}.
    conv5.{k}. -> features.{k}.
    fc. -> linear.
""")

VISION_TRANSFORMER = rules(
    """
    conv_proj. -> embedding.0.
    class_token -> embedding.2.token
    encoder.pos_embedding -> embedding.3.positions
    encoder.layers.encoder_layer_{i}.ln_1. -> encoder.{i}.norm1.
    encoder.layers.encoder_layer_{i}.self_attention.in_proj_weight
        -> encoder.{i}.attention.qkv.weight
    encoder.layers.encoder_layer_{i}.self_attention.in_proj_bias -> encoder.{i}.attention.qkv.bias
    encoder.layers.encoder_layer_{i}.self_attention.out_proj. -> encoder.{i}.attention.out.
    encoder.layers.encoder_layer_{i}.ln_2. -> encoder.{i}.norm2.
    encoder.layers.encoder_layer_{i}.mlp.0. -> encoder.{i}.mlp.fc1.
    encoder.layers.encoder_layer_{i}.mlp.3. -> encoder.{i}.mlp.fc2.
    encoder.ln. -> norm.
    heads.head. -> linear.
""".replace("\n        ->", " ->")
)


def _squeezenet() -> Rules:
    """Fire modules stand behind pools in one sequence; ours are grouped between the pools."""
    fires = {
        3: (1, 1),
        4: (1, 2),
        6: (2, 1),
        7: (2, 2),
        9: (3, 1),
        10: (3, 2),
        11: (3, 3),
        12: (3, 4),
    }
    inside = "".join(
        f"""
        features.{number}.squeeze. -> stage{stage}.{place}.squeezed.0.
        features.{number}.expand1x1. -> stage{stage}.{place}.small.0.
        features.{number}.expand3x3. -> stage{stage}.{place}.large.0.
        """
        for number, (stage, place) in fires.items()
    )
    return rules("features.0. -> stem.0." + inside + "classifier.1. -> conv.")


def _mobilenet() -> Rules:
    """Blocks 2 to 17 are numbered through; the first of a stage has no shortcut around it."""
    lines = """
        features.0.{k}. -> stem.{k}.
        features.1.conv.0.{k}. -> stage1.{k}.
        features.1.conv.1. -> stage1.3.
        features.1.conv.2. -> stage1.4.
        features.18.0. -> head.1.
        features.18.1. -> head.2.
        classifier.1. -> linear.
    """
    number = 2
    for place, depth in (
        ("stage2", 2),
        ("stage3", 3),
        ("stage4", 4),
        ("stage5", 3),
        ("stage6", 3),
        ("head", 1),
    ):
        for turn in range(depth):
            block = f"{place}.{turn}." + ("inverted_bottleneck." if turn else "")
            lines += f"""
                features.{number}.conv.0.{{k}}. -> {block}expanded.{{k}}.
                features.{number}.conv.1.{{k}}. -> {block}filtered.{{k}}.
                features.{number}.conv.2. -> {block}conv.
                features.{number}.conv.3. -> {block}norm.
            """
            number += 1
    return rules(lines)


def _efficientnet() -> Rules:
    lines = """
        features.0.{k}. -> stem.{k}.
        features.1.0.block.0.{k}. -> stage1.{k}.
        features.1.0.block.1.fc1. -> stage1.3.weight.1.
        features.1.0.block.1.fc2. -> stage1.3.weight.3.
        features.1.0.block.2.0. -> stage1.4.
        features.1.0.block.2.1. -> stage1.5.
        features.8.0. -> head.1.
        features.8.1. -> head.2.
        classifier.1. -> linear.
    """
    for theirs, ours in (
        ("features.7.0", "head.0"),
        ("features.{i}.0", "stage{i}.0"),
        ("features.{i}.{j}", "stage{i}.{j}.inverted_bottleneck"),
    ):
        lines += f"""
            {theirs}.block.0.{{k}}. -> {ours}.expanded.{{k}}.
            {theirs}.block.1.{{k}}. -> {ours}.filtered.{{k}}.
            {theirs}.block.2.fc1. -> {ours}.excitation.weight.1.
            {theirs}.block.2.fc2. -> {ours}.excitation.weight.3.
            {theirs}.block.3.0. -> {ours}.conv.
            {theirs}.block.3.1. -> {ours}.norm.
        """
    return rules(lines)


TORCHVISION = Library(
    name="torchvision",
    spaces={
        "resnet18": BASIC,
        "resnet50": BOTTLENECKS,
        "vgg11_bn": VGG11,
        "mobilenet_v2": _mobilenet(),
        "densenet121": DENSENET,
        "squeezenet1_1": _squeezenet(),
        "shufflenet_v2_x1_0": SHUFFLENET,
        "efficientnet_b0": _efficientnet(),
        "vit_b_16": VISION_TRANSFORMER,
    },
)

using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Samples.Tasks;

/// <summary>A: the r rows of W with the largest norms, each made Scale long. B: zero, so that the model starts as it was.</summary>
public sealed record LargestRowsInitialization : LoraInitialization
{
    /// <summary>The length of A's rows. Default 0.5; Kaiming's are about 0.58 long.</summary>
    public double Scale { get; init; } = 0.5;

    public override string Name => "largest-rows";

    public override InitializationFamily Family => InitializationFamily.BaseUntouched;

    public override InitializationNeeds Needs => InitializationNeeds.Weights;

    public override AdapterFactor ZeroFactor => AdapterFactor.B;

    public override void Validate(AdapterTarget target)
    {
        if (target.Rank > target.OutFeatures)
            throw new ArgumentException($"'{Name}' cannot take {target.Rank} rows of '{target.ModuleName}', which has {target.OutFeatures}.");
    }

    public override IReadOnlyList<InitializedAdapter> Initialize(InitializationContext context) =>
        [.. context.Targets.Select((target, i) => Start(context, target, i))];

    private InitializedAdapter Start(InitializationContext context, AdapterTarget target, int done)
    {
        context.Report("Looking for the largest rows", done, context.Targets.Count);
        using var scope = NewDisposeScope(); // frees W
        var w = context.Weight(target); // [out, in]
        var (_, rows) = w.norm(1).topk(target.Rank);
        using var scale = Scale.ToScalar(); // `* Scale` would make one that the garbage collector may free under the call
        var a = nn.functional.normalize(w.index_select(0, rows)) * scale; // [r, in]
        var b = zeros(target.OutFeatures, target.Rank, device: context.Device); // [out, r]
        return new(a.MoveToOuterDisposeScope(), b.MoveToOuterDisposeScope());
    }
}

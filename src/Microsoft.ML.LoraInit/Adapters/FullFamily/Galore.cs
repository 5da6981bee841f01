using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit;

public abstract partial record FineTuningMethod
{
    /// <summary>Full fine-tuning by gradients of low rank. See <see cref="GaloreMethod"/>.</summary>
    /// <param name="rank">Of the gradients.</param>
    /// <param name="gap">Steps from one subspace to the next.</param>
    /// <param name="scale">The factor on what comes back from the subspace.</param>
    public static FineTuningMethod Galore(int rank = 4, int gap = 200, double scale = 4) => new GaloreMethod { Rank = rank, Gap = gap, Scale = scale };
}

/// <summary>
/// GaLore (arXiv 2403.03507): full fine-tuning in which Adam sees the gradient G [out, in] of each of the encoder's linear weights in a subspace of
/// rank r alone, so that its two moments are of r·max(out, in) numbers and not of out·in. Everything else of the model is AdamW's.
/// </summary>
/// <remarks>
/// <para>
/// As the authors' code does (jiaweizzhao/GaLore 2cc66f8, galore_torch/galore_projector.py with <c>proj_type</c> std, galore_torch/adamw.py,
/// run_glue.py with <c>--lora_all_modules</c>). Every <see cref="Gap"/> steps, from the first, a singular value decomposition of the gradient gives P: with
/// out ≥ in its r leading right vectors, P [r, in], else its r leading left ones, P [out, r]. A step moves W by −rate · <see cref="Scale"/> · D·P with D [out, r] Adam's
/// direction for G·Pᵀ, else by −rate · scale · P·D with D [r, in] that for Pᵀ·G. The moments stay when the subspace changes.
/// </para>
/// <para>
/// Not taken over: ε is 1e-8 after the bias correction, as for the rest of the model, and decay comes before the step; the code has 1e-6 before it and
/// decay after. The gradient itself is whole: updates layer by layer during the backward pass, and moments in 8 bits, are not here.
/// </para>
/// </remarks>
public sealed record GaloreMethod : FullFamilyMethod
{
    /// <summary>r, at least 1 and no more than the smaller dimension of every linear layer of the encoder. Default 4, as in the authors' command for GLUE.</summary>
    public int Rank { get; init => field = Adapters.Family.Setting.AtLeast(1, value, nameof(Rank)); } = 4;

    /// <summary>Steps from one subspace to the next, at least 1. Default 200, as in the code; its command for GLUE has 500.</summary>
    public int Gap { get; init => field = Adapters.Family.Setting.AtLeast(1, value, nameof(Gap)); } = 200;

    /// <summary>The factor on what comes back from the subspace, above 0. Default 4, as in the authors' command for GLUE at rank 4.</summary>
    public double Scale { get; init => field = Adapters.Family.Setting.Above(0, value, nameof(Scale)); } = 4;

    /// <inheritdoc/>
    public override string Name => "galore";

    internal override void Validate(RobertaConfig config)
    {
        foreach (var (name, outputs, inputs) in AdapterPlanner.Modules(config))
            if (Rank > Math.Min(outputs, inputs))
                throw new ArgumentException($"The method 'galore' has a rank of {Rank} of its own, and gradients of '{name}' [{outputs}, {inputs}] have {Math.Min(outputs, inputs)} at most: use a lower GaloreMethod.Rank (galore:rank=…).");
    }

    internal override MethodHooks Hooks(MethodRun run) => new GaloreHooks(run, this);

    private protected override bool Moves(Parameter parameter) =>
        parameter.Shape.Length == 2 && parameter.Name.StartsWith(RobertaNames.Encoder, StringComparison.Ordinal);

    private sealed class GaloreHooks : MethodHooks
    {
        private readonly TrainableParameters _parameters;
        private readonly GaloreMethod _method;
        private readonly Weight[] _weights;

        /// <summary>One weight: its place, its subspace, and Adam's moments in there.</summary>
        private sealed record Weight(string Name, FlatPlace Place, double Decay, bool FromRight, Tensor Subspace, AdamMoments Moments);

        public GaloreHooks(MethodRun run, GaloreMethod method)
        {
            (_parameters, _method) = (run.Parameters, method);
            using var noGrad = no_grad();
            _weights = [.. run.Parameters.Parameters.Where(p => p.MovedByMethod).Select(p => Start(run, p))];
        }

        public override IEnumerable<KeyValuePair<string, Tensor>> State =>
            _weights.SelectMany(w => w.Moments.State(w.Name).Prepend(new($"{w.Name}/subspace", w.Subspace)));

        public override void BeforeUpdate(long step, double learningRate)
        {
            var (values, gradient) = (_parameters.Flat.detach(), _parameters.Gradient());
            foreach (var weight in _weights)
            {
                using var scope = NewDisposeScope();
                var own = weight.Place.Of(gradient);
                if (step % _method.Gap == 0)
                    weight.Subspace.copy_(Leading(own, weight.FromRight));
                var change = weight.FromRight
                    ? weight.Moments.Direction(own.matmul(weight.Subspace.t()), step + 1).matmul(weight.Subspace)
                    : weight.Subspace.matmul(weight.Moments.Direction(weight.Subspace.t().matmul(own), step + 1));
                weight.Place.Of(values).Mul_(1 - (learningRate * weight.Decay)).Add_(change, -learningRate * _method.Scale);
            }
        }

        private Weight Start(MethodRun run, Parameter parameter)
        {
            var (outputs, inputs, rank, device) = (parameter.Shape[0], parameter.Shape[1], _method.Rank, run.Parameters.Flat.device);
            var right = outputs >= inputs;
            var subspace = zeros(right ? [rank, inputs] : [outputs, rank], device: device).DetachFromDisposeScope();
            return new(parameter.Name, run.Place(parameter), run.Decay(parameter), right, subspace, right ? new(device, outputs, rank) : new(device, rank, inputs));
        }

        // A gradient that is not finite is told at the epoch's end, with the parameters that it makes.
        private Tensor Leading(Tensor gradient, bool right)
        {
            var (u, _, vh) = Linalg.Svd(gradient.nan_to_num(0, 0, 0), false);
            return right ? vh.narrow(0, 0, _method.Rank) : u.narrow(1, 0, _method.Rank);
        }
    }
}

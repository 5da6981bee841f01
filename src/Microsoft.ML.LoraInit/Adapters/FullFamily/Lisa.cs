using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit;

public abstract partial record FineTuningMethod
{
    /// <summary>Full fine-tuning of a few layers at a time. See <see cref="LisaMethod"/>.</summary>
    /// <param name="layers">Encoder layers that are trained at a time.</param>
    /// <param name="interval">Steps from one draw to the next.</param>
    public static FineTuningMethod Lisa(int layers = 2, int interval = 20) => new LisaMethod { Layers = layers, Interval = interval };
}

/// <summary>
/// LISA (arXiv 2403.17919): full fine-tuning in which γ of the encoder's L layers, drawn anew every K steps, each with the same chance, are trained, and
/// the others rest: no gradient, no decay, no step. Embeddings and head are trained throughout, by AdamW.
/// </summary>
/// <remarks>
/// As the authors' code does (OptimalScale/LMFlow f3597db, src/lmflow/pipeline/utils/lisa_trainer.py and args.py): the draw is one without
/// replacement at every step that K divides, the first included. There a layer's moments wait while it rests, since AdamW leaves
/// what has no gradient alone, and its bias correction counts its own steps: that is <see cref="Keep"/>. Without it the moments of a layer
/// begin anew with each draw, as in the same repository's experimental/LISA-diffusion/single_lisa.py, and are there for γ layers alone, which is the memory that
/// the method saves. Trains on one device, and on a GPU call by call, since its passes differ from draw to draw.
/// </remarks>
public sealed record LisaMethod : FullFamilyMethod
{
    /// <summary>γ, from 1 to the model's number of layers. Default 2, as in the code.</summary>
    public int Layers { get; init => field = Adapters.Family.Setting.AtLeast(1, value, nameof(Layers)); } = 2;

    /// <summary>K, the steps from one draw to the next, at least 1. Default 20, as in the code.</summary>
    public int Interval { get; init => field = Adapters.Family.Setting.AtLeast(1, value, nameof(Interval)); } = 20;

    /// <summary>Whether a layer's moments wait while it rests, for all L layers. Default true, as in the code.</summary>
    public bool Keep { get; init; } = true;

    /// <inheritdoc/>
    public override string Name => "lisa";

    internal override string DevicesObstacle => "which layers rest is decided on one device";

    internal override void Validate(RobertaConfig config)
    {
        if (Layers > config.Layers)
            throw new ArgumentException($"The method 'lisa' is to train Layers = {Layers} at a time, and the model has {config.Layers}: use fewer.");
    }

    internal override MethodHooks Hooks(MethodRun run) => new LisaHooks(run, this);

    private protected override bool Moves(Parameter parameter) => parameter.Name.StartsWith(RobertaNames.Encoder, StringComparison.Ordinal);

    private sealed class LisaHooks : MethodHooks
    {
        private readonly LisaMethod _method;
        private readonly MethodRun _run;
        private readonly Layer[] _layers;
        private readonly AdamMoments[] _moments; // a layer each, or a place among the active each
        private readonly Tensor _steps;          // int64, gradients that each of the moments has seen
        private int[] _active = [];

        /// <summary>A layer's parameters, which lie one after another.</summary>
        private sealed record Layer(Parameter[] Parameters, FlatPlace Place);

        public LisaHooks(MethodRun run, LisaMethod method)
        {
            (_run, _method) = (run, method);
            using var noGrad = no_grad();
            var own = run.Parameters.Parameters.Where(p => p.MovedByMethod).ToArray();
            _layers = [.. own.GroupBy(p => AdapterPlanner.LayerIndex(p.Name)).OrderBy(g => g.Key).Select(g => new Layer([.. g], Together([.. g])))];
            _moments = [.. Enumerable.Range(0, method.Keep ? _layers.Length : method.Layers).Select(_ => new AdamMoments(run.Parameters.Flat.device, _layers[0].Place.Shape))];
            _steps = zeros(_moments.Length, ScalarType.Int64).DetachFromDisposeScope();
        }

        public override bool PassesMayBeRecorded => false;

        public override IEnumerable<KeyValuePair<string, Tensor>> State => _moments.SelectMany((m, i) => m.State($"{i}")).Append(new("steps", _steps));

        public override void BeforeStep(long step)
        {
            var begins = step % _method.Interval == 0;
            if (!begins && _active.Length > 0)
                return;
            var random = new SeededRandom(SeededRandom.Hash(_run.Seed, $"lisa/{step / _method.Interval}"));
            _active = [.. random.Permutation(_layers.Length).Take(_method.Layers).Order()];
            for (int i = 0; i < _layers.Length; i++)
                foreach (var parameter in _layers[i].Parameters)
                    parameter.Rests = !_active.Contains(i);
            if (begins && !_method.Keep)
                Forget();
        }

        public override void BeforeUpdate(long step, double learningRate)
        {
            var (values, gradient) = (_run.Parameters.Flat.detach(), _run.Parameters.Gradient());
            for (int i = 0; i < _active.Length; i++)
            {
                using var scope = NewDisposeScope();
                var (layer, slot) = (_layers[_active[i]], _method.Keep ? _active[i] : i);
                _steps[slot] = _steps[slot].Add(1);
                foreach (var parameter in layer.Parameters)
                    if (_run.Decay(parameter) is > 0 and var decay)
                        _run.Place(parameter).Of(values).Mul_(1 - (learningRate * decay));
                layer.Place.Of(values).Add_(_moments[slot].Direction(layer.Place.Of(gradient), _steps[slot].item<long>()), -learningRate);
            }
        }

        public override void Dispose()
        {
            base.Dispose();
            foreach (var parameter in _layers.SelectMany(l => l.Parameters))
                parameter.Rests = false;
        }

        private void Forget()
        {
            using var scope = NewDisposeScope();
            using var noGrad = no_grad();
            _steps.zero_();
            foreach (var moments in _moments)
                moments.Clear();
        }

        private FlatPlace Together(Parameter[] layer) => new(_run.Place(layer[0]).Start, [layer.Sum(p => p.Count)]);
    }
}

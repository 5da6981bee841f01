using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Cuda;
using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Training.Optimization;

/// <summary>
/// AdamW (arXiv 1711.05101) as <c>torch.optim.AdamW</c> computes it, over the one flat vector of
/// <see cref="TrainableParameters"/>, as far as no method moves it itself: decoupled decay first, bias-corrected moments, eps outside the root.
/// A step is a handful of calls however many matrices are trained.
/// </summary>
internal sealed class FlatAdamW : IDisposable
{
    private const string FirstMoment = "exp_avg";
    private const string SecondMoment = "exp_avg_sq";
    private const string StepCount = "step";

    private readonly TrainableParameters _parameters;
    private readonly AdamWSettings _settings;
    private readonly Tensor _first;
    private readonly Tensor _second;
    // Null where every element decays, respectively learns, alike.
    private readonly Tensor? _decay;
    private readonly Tensor? _factor;
    private readonly double _uniformDecay;
    private readonly double _uniformFactor;
    private CudaAdamW? _kernel;

    public FlatAdamW(TrainableParameters parameters, AdamWSettings settings)
    {
        settings.Validate();
        _parameters = parameters;
        _settings = settings;
        using var noGrad = no_grad();
        _first = zeros(parameters.OptimizedCount, ScalarType.Float32, parameters.Flat.device).DetachFromDisposeScope();
        _second = zeros_like(_first).DetachFromDisposeScope();

        float Factor(Roberta.Parameter p) => (float)p.LearningRateFactor;
        float Decay(Roberta.Parameter p) => (float)settings.DecayOf(p) * Factor(p);
        (_factor, _uniformFactor) = Vector(Factor);
        (_decay, _uniformDecay) = Vector(Decay);

        (Tensor? Each, double All) Vector(Func<Roberta.Parameter, float> value)
        {
            var values = parameters.Parameters.Where(p => !p.MovedByMethod).Select(value).Distinct().ToArray();
            return values.Length == 1 ? (null, values[0]) : (parameters.Expand(value), 0);
        }
    }

    /// <summary>The moments, aligned with the parameters, always in the same place.</summary>
    public (Tensor First, Tensor Second) Moments => (_first, _second);

    /// <summary>Steps taken.</summary>
    public long Steps { get; private set; }

    /// <summary>Updates the parameters from their gradient.</summary>
    /// <param name="learningRate">The rate of this step, before the parameters' own factors.</param>
    /// <exception cref="InvalidOperationException">No backward pass has left a gradient.</exception>
    public void Step(double learningRate)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var (value, gradient) = (_parameters.Optimized(_parameters.Flat), _parameters.Optimized(Gradient()));
        Steps++;

        if (_decay is not null)
            value.Addcmul_(value, _decay, -learningRate);
        else if (_uniformDecay != 0)
            value.Mul_(1 - learningRate * _uniformDecay);

        _first.Mul_(_settings.Beta1).Add_(gradient, 1 - _settings.Beta1);
        _second.Mul_(_settings.Beta2).Addcmul_(gradient, gradient, 1 - _settings.Beta2);
        var correction1 = 1 - Math.Pow(_settings.Beta1, Steps);
        var correction2 = 1 - Math.Pow(_settings.Beta2, Steps);
        var denominator = _second.sqrt().Div_(Math.Sqrt(correction2)).Add_(_settings.Epsilon);
        var rate = -learningRate / correction1;
        if (_factor is null)
            value.Addcdiv_(_first, denominator, rate * _uniformFactor);
        else
            value.Addcdiv_(_first * _factor, denominator, rate);
    }

    /// <summary>Numbers that a step on the device reads: see <see cref="NextScalars"/>.</summary>
    public const int ScalarCount = 4;

    /// <summary>Counts a step and gives what it needs: the learning rate, 1 / (1 − β₁ᵗ), 1 / √(1 − β₂ᵗ) and an unused one.</summary>
    public float[] NextScalars(double learningRate)
    {
        Steps++;
        return [(float)learningRate, (float)(1 / (1 - Math.Pow(_settings.Beta1, Steps))), (float)(1 / Math.Sqrt(1 - Math.Pow(_settings.Beta2, Steps))), 0];
    }

    /// <summary>Lets one kernel do what <see cref="Update"/> spells out; null for tensor operations.</summary>
    public void UseKernel(CudaAdamW? kernel) => _kernel = kernel;

    /// <summary>
    /// Clipping, the same update and zeroing the gradient, with the step's numbers on the device, so that recorded work serves
    /// every step.
    /// </summary>
    /// <param name="scalars">What <see cref="NextScalars"/> gave, fp32 [4] on the device.</param>
    /// <param name="maximumNorm">The norm that the gradient is clipped to; 0 for no clipping.</param>
    /// <param name="precondition">Called between clipping and the update; or null.</param>
    /// <exception cref="InvalidOperationException">No backward pass has left a gradient.</exception>
    public void Update(Tensor scalars, double maximumNorm, Action? precondition)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var whole = Gradient();
        var (value, gradient) = (_parameters.Optimized(_parameters.Flat.detach()), _parameters.Optimized(whole));
        if (_kernel is not null && precondition is null && _parameters.OptimizedCount == _parameters.Count)
        {
            var norm = maximumNorm > 0 ? gradient.norm() : null;
            _kernel.Step(value, gradient, _first, _second, _decay, _factor, norm, scalars,
                new AdamWStep(maximumNorm, _settings.Beta1, _settings.Beta2, _settings.Epsilon, _uniformDecay, _uniformFactor));
            return;
        }
        GradientClipping.Apply(_parameters, maximumNorm);
        precondition?.Invoke();
        var (rate, correction1, correction2) = (scalars[0], scalars[1], scalars[2]);
        if (_decay is not null)
            value.sub_(_decay.mul(rate).mul_(value));
        else if (_uniformDecay != 0)
            value.mul_(rate.Mul(-_uniformDecay).Add_(1));

        _first.Mul_(_settings.Beta1).Add_(gradient, 1 - _settings.Beta1);
        _second.Mul_(_settings.Beta2).Addcmul_(gradient, gradient, 1 - _settings.Beta2);
        var denominator = _second.sqrt().mul_(correction2).Add_(_settings.Epsilon);
        var change = _first.div(denominator).mul_(rate.mul(correction1));
        value.sub_(_factor is null ? change.Mul_(_uniformFactor) : change.mul_(_factor));
        whole.zero_();
    }

    /// <summary>Sets the gradient to zero for the next backward pass.</summary>
    public void ZeroGradient()
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        _parameters.Flat.grad?.zero_();
    }

    private Tensor Gradient() =>
        _parameters.Flat.grad ?? throw new InvalidOperationException("The optimiser has no gradient to step by: run a backward pass first.");

    /// <summary>Everything that a checkpoint must hold to go on exactly; on the CPU, owned by the caller.</summary>
    public Dictionary<string, Tensor> ExportState()
    {
        using var noGrad = no_grad();
        return new(StringComparer.Ordinal)
        {
            [FirstMoment] = Copy(_first),
            [SecondMoment] = Copy(_second),
            [StepCount] = tensor(new[] { Steps }).DetachFromDisposeScope(),
        };

        static Tensor Copy(Tensor source)
        {
            using var scope = NewDisposeScope();
            return source.cpu().clone().DetachFromDisposeScope();
        }
    }

    /// <summary>Takes over what <see cref="ExportState"/> made.</summary>
    /// <exception cref="InvalidDataException">A tensor is missing or belongs to another number of parameters.</exception>
    public void ImportState(IReadOnlyDictionary<string, Tensor> state)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var (first, second, steps) = (Find(FirstMoment, _parameters.OptimizedCount), Find(SecondMoment, _parameters.OptimizedCount), Find(StepCount, 1));
        _first.copy_(first);
        _second.copy_(second);
        Steps = steps.to(ScalarType.Int64).item<long>();

        Tensor Find(string name, long count)
        {
            if (!state.TryGetValue(name, out var found))
                throw new InvalidDataException($"The optimiser state has no '{name}'.");
            return found.numel() == count ? found
                : throw new InvalidDataException($"The optimiser state's '{name}' has {found.numel()} values where {count} are expected: it belongs to other trained parameters.");
        }
    }

    public void Dispose()
    {
        _first.Dispose();
        _second.Dispose();
        _decay?.Dispose();
        _factor?.Dispose();
    }
}

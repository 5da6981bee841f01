using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Roberta;
using Microsoft.ML.LoraInit.Tests.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Adapters;

/// <summary>The tiny model with a method on, to be moved by hand.</summary>
internal sealed class TinyRun : IDisposable
{
    private readonly MethodRun _run;
    private readonly MethodHooks? _hooks;

    /// <param name="method">The method; its adapters, if any, on all layers with random factors.</param>
    /// <param name="decay">Of every parameter.</param>
    /// <param name="start">Changes what the adapters start from.</param>
    public TinyRun(FineTuningMethod method, double decay = 0, Func<InitializedAdapter, InitializedAdapter>? start = null)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        Method = method;
        Weights = TinyModel.Base();
        Model = TinyModel.Create(Weights);
        var settings = new AdapterSettings { Rank = 4, Alpha = 6, TargetModules = TargetModules.AllLinear };
        var targets = method.Targets(settings, Model.Config);
        method.Apply(Model, new(settings, 3, targets, AdapterTests.RandomFactors(targets, start ?? (f => f))));
        Parameters = new TrainableParameters(Model.Parameters);
        _run = Of(Model, Parameters, 9, settings) with { Decay = _ => decay };
        _hooks = method.Hooks(_run);
    }

    /// <summary>A run of methods that look at neither moments nor the loss.</summary>
    public static MethodRun Of(RobertaClassifier model, TrainableParameters parameters, long steps, AdapterSettings settings) => new(model, parameters, steps, 0, settings)
    {
        Moments = default((Tensor, Tensor)),
        Judge = () => throw new InvalidOperationException("This run has no rows to judge by."),
    };

    public FineTuningMethod Method { get; }

    public BaseWeights Weights { get; }

    public RobertaClassifier Model { get; }

    public TrainableParameters Parameters { get; }

    public MethodHooks Hooks => _hooks ?? throw new InvalidOperationException($"The method '{Method.Name}' has none.");

    public FlatPlace Place(string name) => Place(Parameters.Parameters.Single(p => p.Name == name));

    public FlatPlace Place(Parameter parameter) => _run.Place(parameter);

    /// <summary>Puts random numbers in the gradient's place.</summary>
    public void RandomGradient(int seed)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        Parameters.Gradient().copy_(randn(Parameters.Count, generator: new Generator((ulong)seed)));
    }

    /// <summary>The gradient of the tiny batch's loss, in training.</summary>
    public void Backward()
    {
        using var scope = NewDisposeScope();
        Parameters.Bind();
        nn.functional.cross_entropy(Model.forward(TinyModel.Batch(), new ForwardContext { IsTraining = true }), TinyModel.Labels()).backward();
    }

    public void Dispose()
    {
        _hooks?.Dispose();
        Parameters.Dispose();
        Model.Dispose();
        Weights.Dispose();
    }
}

/// <summary>AdamW of one tensor, spelt out in fp64.</summary>
/// <param name="rate">Learning rate.</param>
/// <param name="decay">Decoupled decay.</param>
internal sealed class PlainAdamW(double rate, double decay)
{
    private Tensor? _first, _second;
    private int _steps;

    /// <summary>The tensor after a step, fp64.</summary>
    public Tensor Step(Tensor value, Tensor gradient) => (value.to(ScalarType.Float64) * (1 - (rate * decay))) - (rate * Direction(gradient));

    /// <summary>Adam's direction, before the rate.</summary>
    public Tensor Direction(Tensor gradient)
    {
        var g = gradient.to(ScalarType.Float64);
        _steps++;
        _first = ((_first ?? zeros_like(g)) * 0.9) + (g * 0.1);
        _second = ((_second ?? zeros_like(g)) * 0.999) + (g.square() * 0.001);
        return _first / (1 - Math.Pow(0.9, _steps)) / ((_second / (1 - Math.Pow(0.999, _steps))).sqrt() + 1e-8);
    }
}

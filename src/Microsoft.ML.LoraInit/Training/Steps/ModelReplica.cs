using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Training.Steps;

/// <summary>A model in training, once more on another device.</summary>
internal static class ModelReplica
{
    /// <summary>
    /// The same layers, adapters and bottlenecks, with copies of all frozen values as they are: corrected base weights and
    /// frozen factors included. What is trained is zero, since it comes from a flat vector at every step.
    /// </summary>
    /// <param name="model">The model, before training.</param>
    /// <param name="method">What its adapters are of.</param>
    /// <param name="device">Where the other is wanted.</param>
    /// <exception cref="NotSupportedException">The base is held in 4 bits.</exception>
    public static RobertaClassifier Create(RobertaClassifier model, FineTuningMethod method, Device device)
    {
        if (model.Base.IsQuantized)
            throw new NotSupportedException($"A base in 4 bits trains on one device only, and {nameof(LoraTrainerOptions.Devices)} names several: name one, or choose BaseQuantization.None.");
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var weights = new BaseWeights(model.Config, model.Base.Identity, Values(model.BaseParameters));
        var replica = new RobertaClassifier(weights, model.Outputs, Values(model.HeadParameters));
        try
        {
            foreach (var (from, to) in model.Linears.Zip(replica.Linears))
                if (from.Adapter is { } adapter)
                    to.Adapter = Blueprint(adapter).Build(to.Weight.Value, device);
            for (int i = 0; i < model.Layers.Count; i++)
                foreach (var (place, from) in model.Layers[i].Bottlenecks)
                    replica.Layers[i].Bottlenecks[place] = from.Over(Values(from.Parameters));
            foreach (var (from, to) in model.Parameters.Zip(replica.Parameters, (from, to) => (from, to)))
                (to.Trained, to.MovedByMethod) = from.Name == to.Name ? (from.Trained, from.MovedByMethod) : throw new InvalidOperationException($"The replica has '{to.Name}' in the place of '{from.Name}'.");
            return replica;
        }
        catch
        {
            replica.Dispose();
            throw;
        }

        Dictionary<string, Tensor> Values(IEnumerable<Parameter> parameters) => parameters.ToDictionary(p => p.Name, Value, StringComparer.Ordinal);

        Tensor Value(Parameter parameter) => parameter.Trained
            ? zeros(parameter.Shape, parameter.ComputeType, device)
            : parameter.Value.to(device, true);

        AdapterBlueprint Blueprint(LinearAdapter adapter) => new(
            adapter.Target,
            method.Kind(adapter.Kind) ?? throw new InvalidOperationException($"The method '{method.Name}' has no adapters of the kind '{adapter.Kind}'."),
            adapter.Parameters.ToDictionary(p => p.Name[adapter.Target.ModuleName.Length..], Value, StringComparer.Ordinal),
            null, // the weight is copied as corrected
            adapter.Dropout,
            Start: adapter.Start?.Initial);
    }
}

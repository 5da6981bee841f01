namespace Microsoft.ML.LoraInit.Options;

/// <summary>What does not go with a base in 4 bits.</summary>
internal static class QuantizationCheck
{
    /// <summary>Refuses options that a quantised base cannot serve, before anything is opened.</summary>
    /// <exception cref="ArgumentException">The initialisation corrects the base or needs its gradients.</exception>
    public static void Initialization(LoraTrainerOptions options)
    {
        if (options.BaseQuantization != BaseQuantization.None && options.Method.UsesAdapters && options.Initialization.QuantizedBaseObstacle is { } obstacle)
            throw new ArgumentException($"BaseQuantization = {options.BaseQuantization} does not go with the initialisation '{options.Initialization.Name}': {obstacle}. Choose another initialisation (loftq is made for a quantised base), or BaseQuantization.None.");
    }

    /// <summary>Refuses what would train quantized weights.</summary>
    /// <exception cref="ArgumentException">The method does not go with a quantised base.</exception>
    public static void Method(LoraTrainerOptions options, IEnumerable<string> linears)
    {
        if (options.BaseQuantization != BaseQuantization.None && linears.FirstOrDefault(l => options.Method.TrainsBase($"{l}.weight", new HashSet<string>())) is { } trained)
            throw new ArgumentException($"BaseQuantization = {options.BaseQuantization} does not go with the method '{options.Method.Name}', which trains '{trained}.weight': a weight in 4 bits stays as it is. Choose another method, or BaseQuantization.None.");
    }
}

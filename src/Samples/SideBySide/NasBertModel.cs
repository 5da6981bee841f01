namespace Microsoft.ML.LoraInit.Samples.SideBySide;

/// <summary>
/// The pre-trained model of ML.NET's text trainers, which they download when they are first used. Asked for beforehand:
/// without a network the trainer does not end with an error but may wait for its own lock (ResourceManagerUtils.DownloadResource
/// of dotnet/machinelearning 5.0.0 releases a mutex on another thread than the one that took it).
/// </summary>
internal static class NasBertModel
{
    private const string FileName = "NasBert2000000.tsm";

    private static readonly Uri Address = new($"https://aka.ms/mlnet-resources/models/{FileName}");

    /// <summary>Null where the model is on this machine or can be downloaded; otherwise what went wrong.</summary>
    /// <param name="ml">The context that will train.</param>
    /// <param name="timeout">How long to wait for an answer.</param>
    public static async Task<string?> WhyNotAvailableAsync(MLContext ml, TimeSpan timeout)
    {
        if (File.Exists(Path.Combine(ml.TempFilePath, "mlnet", FileName))) // Where the trainer looks first.
            return null;
        using var client = new HttpClient { Timeout = timeout };
        using var request = new HttpRequestMessage(HttpMethod.Head, Address);
        try
        {
            using var response = await client.SendAsync(request);
            return response.IsSuccessStatusCode ? null : $"{Address} answers with {(int)response.StatusCode}";
        }
        catch (HttpRequestException e)
        {
            return $"{Address} cannot be reached: {e.Message}";
        }
        catch (TaskCanceledException)
        {
            return $"{Address} did not answer within {timeout.TotalSeconds:0} seconds";
        }
    }
}

using System.Globalization;
using Microsoft.AspNetCore.Diagnostics;
using Microsoft.AspNetCore.Mvc;
using Microsoft.ML.LoraInit.Hosting;

namespace Microsoft.ML.LoraInit.Samples.Web.Endpoints;

/// <summary>What a model cannot answer, as problem details.</summary>
internal sealed class ModelProblems(IProblemDetailsService problems) : IExceptionHandler
{
    public async ValueTask<bool> TryHandleAsync(HttpContext httpContext, Exception exception, CancellationToken cancellationToken)
    {
        if (exception is not (ModelUnavailableException or PredictionQueueFullException))
            return false;
        httpContext.Response.StatusCode = StatusCodes.Status503ServiceUnavailable;
        httpContext.Response.Headers.RetryAfter = 1.ToString(CultureInfo.InvariantCulture);
        return await problems.TryWriteAsync(new()
        {
            HttpContext = httpContext,
            ProblemDetails = new ProblemDetails
            {
                Status = StatusCodes.Status503ServiceUnavailable,
                Detail = exception is PredictionQueueFullException ? "Too many requests wait already; try again later." : exception.Message,
            },
        });
    }
}
